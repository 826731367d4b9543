use std::fmt;

use half::{bf16, f16};

use crate::TensorType;

/// A type of tensors that this crate converts: the types in which vision towers are published.
///
/// Rounding and scales are those of llama.cpp, to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// 32-bit float
    F32,
    /// 16-bit float
    F16,
    /// bfloat16
    Bf16,
    /// Blocks of 32 values along the row: a 16-bit float, which is the scale, and 32 signed bytes
    Q8_0,
}

/// Values of a block of [`Format::Q8_0`].
const Q8_0_LEN: usize = 32;
/// Bytes of a block of [`Format::Q8_0`].
const Q8_0_BYTES: usize = 2 + Q8_0_LEN;

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0];

    /// The format of tensors of type `tensor_type`, if this crate converts it.
    #[must_use]
    pub fn of(tensor_type: TensorType) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.id() == tensor_type.id)
    }

    /// Values of one block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 => Q8_0_LEN,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => Q8_0_BYTES,
        }
    }

    /// Bytes of `values` values, which are whole blocks.
    #[must_use]
    pub const fn bytes(self, values: u64) -> u64 {
        values / self.block_len() as u64 * self.block_bytes() as u64
    }

    /// The number of the tensor type in files.
    pub(crate) const fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 30,
            Self::Q8_0 => 8,
        }
    }

    /// The number of a file whose matrices have this format: `general.file_type`.
    pub(crate) const fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 32,
            Self::Q8_0 => 7,
        }
    }

    /// Appends the blocks of `values` to `bytes`. Values past the last whole block are ignored.
    ///
    /// ```
    /// use glm4v_gguf::Format;
    ///
    /// let mut bytes = Vec::new();
    /// Format::Bf16.encode(&[1.0, 1.0 / 3.0], &mut bytes);
    /// assert_eq!(bytes, [0x80, 0x3f, 0xab, 0x3e]);
    /// ```
    pub fn encode(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => values
                .iter()
                .for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::F16 => values
                .iter()
                .for_each(|&value| bytes.extend(f16::from_f32(value).to_le_bytes())),
            Self::Bf16 => values
                .iter()
                .for_each(|&value| bytes.extend(bf16::from_f32(value).to_le_bytes())),
            Self::Q8_0 => values
                .as_chunks()
                .0
                .iter()
                .for_each(|block| bytes.extend(quantized(block))),
        }
    }

    /// Writes the values of `blocks`, whole blocks, to the start of `values`. Returns the number of values.
    pub fn decode(self, blocks: &[u8], values: &mut [f32]) -> usize {
        match self {
            Self::F32 => each(blocks, values, f32::from_le_bytes),
            Self::F16 => each(blocks, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Self::Bf16 => each(blocks, values, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Self::Q8_0 => {
                let blocks = blocks.as_chunks::<Q8_0_BYTES>().0;
                let places = values.as_chunks_mut::<Q8_0_LEN>().0;
                for (place, block) in places.iter_mut().zip(blocks) {
                    *place = dequantized(block);
                }
                blocks.len().min(places.len()) * Q8_0_LEN
            }
        }
    }
}

fn each<const N: usize>(
    bytes: &[u8],
    values: &mut [f32],
    decode: impl Fn([u8; N]) -> f32,
) -> usize {
    let bytes = bytes.as_chunks().0;
    for (value, &bytes) in values.iter_mut().zip(bytes) {
        *value = decode(bytes);
    }
    bytes.len().min(values.len())
}

/// The scale is the largest magnitude over 127. Values are multiplied by its inverse, and halves are rounded away from
/// zero. The scale is rounded to 16 bits only afterwards.
fn quantized(block: &[f32; Q8_0_LEN]) -> [u8; Q8_0_BYTES] {
    let largest = block
        .iter()
        .fold(0.0_f32, |max, value| max.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut bytes = [0; Q8_0_BYTES];
    bytes[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (byte, value) in bytes[2..].iter_mut().zip(block) {
        *byte = (value * inverse).round() as i8 as u8;
    }
    bytes
}

fn dequantized(block: &[u8; Q8_0_BYTES]) -> [f32; Q8_0_LEN] {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    std::array::from_fn(|index| f32::from(block[2 + index] as i8) * scale)
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_the_blocks_of_its_type() {
        for format in Format::ALL {
            let found = TensorType::of_id(format.id()).unwrap();
            assert_eq!(found.name.to_lowercase(), format.to_string());
            assert_eq!(found.block_len, format.block_len() as u64);
            assert_eq!(found.block_bytes, format.block_bytes() as u64);
            assert_eq!(Format::of(found), Some(format));
        }
        assert_eq!(Format::of(TensorType::of_id(12).unwrap()), None);
    }

    #[test]
    fn quantized_values_are_rounded_away_from_zero() {
        let mut values = [0.0; 32];
        // The largest magnitude is 127 · 0.5, so the scale is 0.5.
        values[..5].copy_from_slice(&[-63.5, 0.5, 0.25, -0.25, 0.2]);
        let mut bytes = Vec::new();
        Format::Q8_0.encode(&values, &mut bytes);
        assert_eq!(bytes[..2], f16::from_f32(0.5).to_le_bytes());
        let levels: Vec<i8> = bytes[2..7].iter().map(|&byte| byte as i8).collect();
        assert_eq!(levels, [-127, 1, 1, -1, 0]);
        let mut decoded = [1.0; 32];
        assert_eq!(Format::Q8_0.decode(&bytes, &mut decoded), 32);
        assert_eq!(decoded[..6], [-63.5, 0.5, 0.5, -0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_block_of_zeros_has_no_scale() {
        let mut bytes = Vec::new();
        Format::Q8_0.encode(&[0.0; 64], &mut bytes);
        assert_eq!(bytes, [0; 68]);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // Halfway between 1 and the next value.
        for (format, half) in [(Format::F16, 11), (Format::Bf16, 8)] {
            let step = 2.0_f32.powi(-half);
            let (mut bytes, mut values) = (Vec::new(), [0.0; 2]);
            format.encode(&[1.0 + step, 1.0 + 3.0 * step], &mut bytes);
            assert_eq!(format.decode(&bytes, &mut values), 2);
            assert_eq!(values, [1.0, 1.0 + 4.0 * step]);
        }
    }
}
