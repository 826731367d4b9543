use std::collections::HashMap;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use glm4v_config::{ConfigError, Parameter, VisionConfig};
use glm4v_model::{HostWeight, ParameterSource, VisionModel};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use crate::parts::rows_of_part;
use crate::{Arithmetic, convert};

/// Builds a tower whose every parameter is random; the same `seed` gives the same values everywhere.
///
/// # Errors
/// [`ConfigError`] for a configuration that is not valid.
pub fn random(
    config: &VisionConfig,
    seed: u64,
    device: &Device,
    arithmetic: impl Into<Arithmetic>,
) -> Result<VisionModel, ConfigError> {
    random_in_parts(config, seed, device, arithmetic, u64::MAX)
}

/// [`random`] with a weight of more than `max_part_bytes` held in parts, for a device that binds no more at once.
///
/// # Errors
/// [`ConfigError`] for a configuration that is not valid.
pub fn random_in_parts(
    config: &VisionConfig,
    seed: u64,
    device: &Device,
    arithmetic: impl Into<Arithmetic>,
    max_part_bytes: u64,
) -> Result<VisionModel, ConfigError> {
    config.validate()?;
    let parameters = config
        .parameters()
        .into_iter()
        .map(|parameter| (parameter.key.clone(), parameter))
        .collect();
    let mut source = Source {
        parameters,
        seed,
        device,
        arithmetic: arithmetic.into(),
        max_part_bytes,
    };
    match VisionModel::new(config, &mut source) {
        Ok(model) => Ok(model),
        Err(never) => match never {},
    }
}

/// Values of one parameter, scaled so that activations keep their size through a deep tower. They depend on the seed
/// and the key alone, so that one tensor can be made without the others.
pub(crate) fn values(parameter: &Parameter, seed: u64) -> Vec<f32> {
    let (mean, deviation) = distribution(parameter);
    let normal = Normal::new(mean, deviation).expect("a finite deviation");
    let mut generator = ChaCha8Rng::from_seed(key_seed(&parameter.key, seed));
    let count = usize::try_from(parameter.num_elements()).expect("a parameter fits in memory");
    let mut values = passing(count);
    values.extend((0..count).map(|_| normal.sample(&mut generator)));
    values
}

/// Room for `count` values that are needed for a moment. glibc maps what is larger than 32 MiB apart and gives it back at
/// once; smaller, it would leave holes between the weights made of it. What is not used of the room is never touched, and
/// so takes no memory.
fn passing(count: usize) -> Vec<f32> {
    let apart = match cfg!(target_os = "linux") {
        true => (33 << 20) / size_of::<f32>(),
        false => 0,
    };
    Vec::with_capacity(count.max(apart))
}

fn distribution(parameter: &Parameter) -> (f32, f32) {
    let key = &parameter.key;
    match &parameter.shape[..] {
        [_] if key.ends_with("bias") => (0.0, 0.02),
        [_] => (1.0, 0.1),
        _ if key.ends_with("position_embedding.weight") => (0.0, 0.2),
        [_, inputs @ ..] => (
            0.0,
            (inputs.iter().product::<usize>() as f32).sqrt().recip(),
        ),
        [] => unreachable!("no parameter is a scalar"),
    }
}

/// The seed and, beside it, the key's 64-bit FNV-1a hash.
fn key_seed(key: &str, seed: u64) -> [u8; 32] {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&hash.to_le_bytes());
    bytes
}

struct Source<'a> {
    parameters: HashMap<String, Parameter>,
    seed: u64,
    device: &'a Device,
    arithmetic: Arithmetic,
    max_part_bytes: u64,
}

impl Source<'_> {
    fn data(&self, key: &str, dtype: FloatDType) -> TensorData {
        let parameter = &self.parameters[key];
        let values = values(parameter, self.seed);
        convert::from_f32(values, parameter.shape.clone(), dtype)
    }
}

impl ParameterSource for Source<'_> {
    type Error = std::convert::Infallible;

    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, Self::Error> {
        let dtype = self.arithmetic.dtype();
        Ok(Tensor::from_data(
            self.data(key, dtype),
            (self.device, dtype.into()),
        ))
    }

    fn parts<const D: usize>(&mut self, key: &str) -> Result<Vec<Tensor<D>>, Self::Error> {
        let dtype = self.arithmetic.dtype();
        let Parameter { shape, .. } = &self.parameters[key];
        let rows = rows_of_part(shape, dtype, self.max_part_bytes);
        if rows == shape[0] {
            return Ok(vec![self.tensor(key)?]);
        }
        let row: usize = shape[1..].iter().product();
        let values = values(&self.parameters[key], self.seed);
        let part = |values: &[f32]| {
            let mut shape = shape.clone();
            shape[0] = values.len() / row;
            let data = convert::from_f32(values.to_vec(), shape, dtype);
            Tensor::from_data(data, (self.device, dtype.into()))
        };
        Ok(values.chunks(rows * row).map(part).collect())
    }

    fn is_on_host(&self) -> bool {
        self.arithmetic.is_on_host()
    }

    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, Self::Error> {
        let Arithmetic::Host(precision) = self.arithmetic else {
            return Ok(None);
        };
        let values = self.data(key, FloatDType::F32);
        Ok(Some(HostWeight { values, precision }))
    }
}

#[cfg(test)]
mod tests {
    use glm4v_model::{Linear, join};

    use super::*;

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
    fn a_large_weight_is_held_in_parts_of_whole_rows() {
        let config = VisionConfig {
            depth: 1,
            hidden_size: 24,
            num_heads: 3,
            image_size: 12,
            patch_size: 3,
            temporal_patch_size: 1,
            out_hidden_size: 20,
            intermediate_size: 28,
            ..VisionConfig::default()
        };
        let weight = |max_part_bytes| {
            let device = Device::flex();
            let dtype = FloatDType::F32;
            let tower = random_in_parts(&config, 5, &device, dtype, max_part_bytes).unwrap();
            match tower.downsample {
                Linear::Device(weight) => weight.parts,
                Linear::Host(_) => panic!("packed"),
            }
        };
        let (whole, parts) = (weight(u64::MAX), weight(3000));
        // 20 rows of 4 · 24 values.
        let rows: Vec<[usize; 2]> = parts.iter().map(|part| part.dims()).collect();
        assert_eq!(rows, [[7, 96], [7, 96], [6, 96]]);
        let parts = parts.iter().map(|part| part.val()).collect();
        let joined = join(parts, 0).into_data();
        assert_eq!(joined, whole[0].val().into_data());
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
