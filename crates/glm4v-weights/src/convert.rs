use std::borrow::Cow;

use burn::tensor::Element;
use bytemuck::Pod;
use glm4v_gguf::Format;
use glm4v_shards::Encoding;
use half::{bf16, f16};
use rayon::prelude::*;

/// Values that one thread converts at a time. It is a multiple of every [`Encoding::block_len`].
const VALUES_AT_ONCE: usize = 1 << 18;

/// A type that stored values are converted to.
pub(crate) trait Value: Element + Pod + Send + Sync {
    /// The encoding whose bytes are values of this type on little-endian machines.
    const ENCODING: Encoding;

    fn rounded(value: f32) -> Self;
}

impl Value for f32 {
    const ENCODING: Encoding = Encoding::F32;

    fn rounded(value: f32) -> Self {
        value
    }
}

impl Value for f16 {
    const ENCODING: Encoding = Encoding::F16;

    fn rounded(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Value for bf16 {
    const ENCODING: Encoding = Encoding::Bf16;

    fn rounded(value: f32) -> Self {
        Self::from_f32(value)
    }
}

/// Writes the values of `blocks`, whole blocks in `encoding`, to the start of `values`, and returns their number. All cores
/// convert.
pub(crate) fn write<T: Value>(values: &mut [T], blocks: &[u8], encoding: Encoding) -> usize {
    let count = blocks.len() / encoding.block_bytes() * encoding.block_len();
    let bytes_at_once = encoding.bytes(VALUES_AT_ONCE as u64) as usize;
    values[..count]
        .par_chunks_mut(VALUES_AT_ONCE)
        .zip(blocks.par_chunks(bytes_at_once))
        .for_each(|(values, blocks)| convert(blocks, encoding, values));
    count
}

fn convert<T: Value>(blocks: &[u8], encoding: Encoding, values: &mut [T]) {
    if encoding == T::ENCODING && cfg!(target_endian = "little") {
        bytemuck::cast_slice_mut(values).copy_from_slice(blocks);
        return;
    }
    match encoding {
        Encoding::F32 => each(blocks, values, f32::from_le_bytes),
        Encoding::F16 => each(blocks, values, |x| f16::from_le_bytes(x).to_f32()),
        Encoding::Bf16 => each(blocks, values, |x| bf16::from_le_bytes(x).to_f32()),
        Encoding::Q8_0 => {
            let mut block_values = [0.0; Encoding::Q8_0.block_len()];
            let blocks = blocks.chunks_exact(encoding.block_bytes());
            for (values, block) in values.chunks_exact_mut(block_values.len()).zip(blocks) {
                Format::Q8_0.decode(block, &mut block_values);
                for (value, &exact) in values.iter_mut().zip(&block_values) {
                    *value = T::rounded(exact);
                }
            }
        }
    }
}

fn each<const N: usize, T: Value>(
    blocks: &[u8],
    values: &mut [T],
    decode: impl Fn([u8; N]) -> f32,
) {
    for (value, &block) in values.iter_mut().zip(blocks.as_chunks().0) {
        *value = T::rounded(decode(block));
    }
}

/// The bytes of `values`, which are whole blocks, in `encoding`.
pub(crate) fn encode(values: &[f32], encoding: Encoding) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::F32 if cfg!(target_endian = "little") => bytemuck::cast_slice(values).into(),
        Encoding::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Encoding::F16 => values
            .iter()
            .flat_map(|&x| f16::from_f32(x).to_le_bytes())
            .collect(),
        Encoding::Bf16 => values
            .iter()
            .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
            .collect(),
        Encoding::Q8_0 => {
            let mut bytes = Vec::new();
            Format::Q8_0.encode(values, &mut bytes);
            bytes.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f32; 4] = [1.0, -0.5, 3.0, 0.0];

    fn converted<T: Value>(encoding: Encoding) -> Vec<f32> {
        let mut values = vec![T::rounded(7.0); 6];
        let count = write(&mut values[1..], &encode(&VALUES, encoding), encoding);
        assert_eq!(count, VALUES.len());
        let values = values.into_iter().map(|value| value.elem::<f32>());
        values.collect()
    }

    #[test]
    fn every_encoding_becomes_every_type() {
        let expected = [7.0, 1.0, -0.5, 3.0, 0.0, 7.0];
        for encoding in [Encoding::F32, Encoding::F16, Encoding::Bf16] {
            let bytes = encode(&VALUES, encoding).len() as u64;
            assert_eq!(bytes, encoding.bytes(4));
            assert_eq!(converted::<f32>(encoding), expected);
            assert_eq!(converted::<f16>(encoding), expected);
            assert_eq!(converted::<bf16>(encoding), expected);
        }
    }

    #[test]
    fn blocks_become_every_type() {
        // The scale is 1, so that each value is exact.
        let values: Vec<f32> = (0..96).map(|index| (index % 32 * 8 - 127) as f32).collect();
        let bytes = encode(&values, Encoding::Q8_0);
        assert_eq!(bytes.len() as u64, Encoding::Q8_0.bytes(96));
        let mut floats = vec![7.0_f32; 97];
        assert_eq!(write(&mut floats, &bytes, Encoding::Q8_0), 96);
        assert_eq!((&floats[..96], floats[96]), (&values[..], 7.0));
        let mut halves = vec![bf16::ZERO; 96];
        write(&mut halves, &bytes, Encoding::Q8_0);
        assert!(
            halves
                .iter()
                .zip(&values)
                .all(|(half, value)| half.to_f32() == *value)
        );
    }
}
