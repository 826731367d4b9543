use burn::tensor::Device;
use glm4v_config::{Parameter, VisionConfig};
use glm4v_model::VisionModel;
use glm4v_shards::Encoding;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use crate::{Loader, LoaderOptions, WeightsError, convert, scratch};

/// Builds a tower of random parameters. The same `seed` gives the same values on every machine.
///
/// # Errors
/// [`WeightsError::Config`] for a configuration that is not valid, and [`WeightsError::Device`] if the device fails.
pub fn random(
    config: &VisionConfig,
    seed: u64,
    device: &Device,
    options: impl Into<LoaderOptions>,
) -> Result<VisionModel, WeightsError> {
    let mut loader = Loader::new(config, device, options)?;
    let mut parameters = config.parameters();
    parameters.sort_by_key(|parameter| !parameter.loads_first());
    let mut buffer = Vec::new();
    for parameter in parameters {
        let len = num_values(&parameter);
        let slice_bytes = loader.slice_bytes(Encoding::F32, Encoding::F32.bytes(len as u64));
        let slice_len = slice_bytes as usize / size_of::<f32>();
        let mut values = values(&parameter, seed);
        for start in (0..len).step_by(slice_len) {
            let slice = scratch::prepare(&mut buffer, slice_len.min(len - start));
            for (place, value) in slice.iter_mut().zip(&mut values) {
                *place = value;
            }
            let bytes = convert::encode(slice, Encoding::F32);
            loader.write(&parameter.key, Encoding::F32, &bytes)?;
        }
    }
    loader.finish()
}

/// The values of one parameter. They depend on the seed and the key alone, so that one tensor can be generated without the
/// others.
///
/// They are scaled so that activations keep their size through a deep tower.
pub(crate) fn values(parameter: &Parameter, seed: u64) -> impl Iterator<Item = f32> {
    let (mean, deviation) = distribution(parameter);
    let normal = Normal::new(mean, deviation).expect("the deviation is finite");
    let generator = ChaCha8Rng::from_seed(key_seed(&parameter.key, seed));
    let values = normal.sample_iter(generator);
    values.take(num_values(parameter))
}

fn num_values(parameter: &Parameter) -> usize {
    usize::try_from(parameter.num_elements()).expect("a parameter fits in memory")
}

fn distribution(parameter: &Parameter) -> (f32, f32) {
    let key = &parameter.key;
    match &parameter.shape[..] {
        [_] if key.ends_with("bias") => (0.0, 0.02),
        [_] => (1.0, 0.1),
        _ if key.ends_with("position_embedding.weight") => (0.0, 0.2),
        [_, row @ ..] => (0.0, (row.iter().product::<usize>() as f32).sqrt().recip()),
        [] => unreachable!("no parameter is a scalar"),
    }
}

/// The seed, followed by the 64-bit FNV-1a hash of the key.
fn key_seed(key: &str, seed: u64) -> [u8; 32] {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&hash.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(parameter: &Parameter, seed: u64) -> Vec<f32> {
        super::values(parameter, seed).collect()
    }

    fn parameter(key: &str, shape: &[usize]) -> Parameter {
        Parameter {
            key: key.into(),
            shape: shape.into(),
        }
    }

    #[test]
    fn values_depend_on_seed_and_key() {
        let weight = parameter("blocks.0.attn.proj.weight", &[4, 4]);
        let other = parameter("blocks.1.attn.proj.weight", &[4, 4]);
        assert_eq!(values(&weight, 1), values(&weight, 1));
        assert_ne!(values(&weight, 1), values(&weight, 2));
        assert_ne!(values(&weight, 1), values(&other, 1));
    }

    #[test]
    fn scales_follow_the_kind_of_parameter() {
        let mean_square = |key, shape: &[usize]| {
            let values = values(&parameter(key, shape), 7);
            values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32
        };
        assert!((mean_square("a.weight", &[100, 10, 10]) - 0.01).abs() < 0.001);
        assert!((mean_square("norm1.weight", &[4000]) - 1.01).abs() < 0.02);
        assert!((mean_square("downsample.bias", &[4000]) - 0.0004).abs() < 0.0001);
    }
}
