use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// The type of stored embeddings. Values are rounded to nearest, ties to even. NaN and infinities are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputDtype {
    /// 32-bit floats: the values as they were computed.
    F32,
    /// IEEE 16-bit floats. Values beyond ±65,504 become infinite.
    F16,
    /// The upper half of 32-bit floats. Parquet does not have this type.
    Bf16,
}

/// Values that are converted at a time.
const CHUNK: usize = 1 << 12;

impl OutputDtype {
    /// All types.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// The name on the command line and in `manifest.json`: `f32`, `f16` or `bf16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of one value.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Appends `values` to `bytes` in this type, in little-endian order.
    ///
    /// ```
    /// use glm4v_store::OutputDtype;
    ///
    /// let mut bytes = Vec::new();
    /// OutputDtype::Bf16.encode(&[1.0], &mut bytes);
    /// assert_eq!(bytes, [0x80, 0x3f]);
    /// ```
    pub fn encode(self, values: &[f32], bytes: &mut Vec<u8>) {
        bytes.reserve(values.len() * self.size());
        match self {
            Self::F32 => append(values, |value| value.to_le_bytes(), bytes),
            Self::F16 => {
                let mut halves = [f16::ZERO; CHUNK];
                for values in values.chunks(CHUNK) {
                    let halves = &mut halves[..values.len()];
                    halves.convert_from_f32_slice(values);
                    append(halves, |value| value.to_le_bytes(), bytes);
                }
            }
            Self::Bf16 => {
                let mut halves = [bf16::ZERO; CHUNK];
                for values in values.chunks(CHUNK) {
                    let halves = &mut halves[..values.len()];
                    halves.convert_from_f32_slice(values);
                    append(halves, |value| value.to_le_bytes(), bytes);
                }
            }
        }
    }

    /// The name in a safetensors file.
    pub(crate) const fn safetensors_name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

impl std::fmt::Display for OutputDtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn append<T: Copy, const N: usize>(
    values: &[T],
    to_bytes: impl Fn(T) -> [u8; N],
    bytes: &mut Vec<u8>,
) {
    let start = bytes.len();
    bytes.resize(start + values.len() * N, 0);
    for (place, &value) in bytes[start..].chunks_exact_mut(N).zip(values) {
        place.copy_from_slice(&to_bytes(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(dtype: OutputDtype, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        dtype.encode(values, &mut bytes);
        bytes
    }

    fn halves(dtype: OutputDtype, values: &[f32]) -> Vec<u16> {
        let bytes = encoded(dtype, values);
        let pairs = bytes.chunks_exact(2);
        pairs
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }

    #[test]
    fn f32_keeps_every_bit() {
        let values = [1.5, -0.0, f32::MIN_POSITIVE / 2.0, f32::INFINITY];
        let expected: Vec<u8> = values
            .iter()
            .flat_map(|value: &f32| value.to_le_bytes())
            .collect();
        assert_eq!(encoded(OutputDtype::F32, &values), expected);
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        // 1 + 2⁻¹¹ lies between 0x3c00 and 0x3c01, and 1 + 3·2⁻¹¹ between 0x3c01 and 0x3c02.
        let (low, high) = (1.0 + 2f32.powi(-11), 1.0 + 3.0 * 2f32.powi(-11));
        assert_eq!(halves(OutputDtype::F16, &[low, high]), [0x3c00, 0x3c02]);
        // 1 + 2⁻⁸ lies between 0x3f80 and 0x3f81, and 1 + 3·2⁻⁸ between 0x3f81 and 0x3f82.
        let (low, high) = (1.0 + 2f32.powi(-8), 1.0 + 3.0 * 2f32.powi(-8));
        assert_eq!(halves(OutputDtype::Bf16, &[low, high]), [0x3f80, 0x3f82]);
        // A little more than half goes up.
        let more = f32::from_bits((1.0 + 2f32.powi(-8)).to_bits() + 1);
        assert_eq!(halves(OutputDtype::Bf16, &[more]), [0x3f81]);
    }

    #[test]
    fn the_limits_of_f16() {
        let values = [
            65504.0,
            65519.0,
            65520.0,
            -65520.0,
            2f32.powi(-24),
            2f32.powi(-25),
        ];
        assert_eq!(
            halves(OutputDtype::F16, &values),
            [0x7bff, 0x7bff, 0x7c00, 0xfc00, 1, 0]
        );
    }

    #[test]
    fn nan_and_infinity_are_kept() {
        for dtype in [OutputDtype::F16, OutputDtype::Bf16] {
            let found = halves(dtype, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
            let (nan, infinity) = match dtype {
                OutputDtype::F16 => (f16::from_bits(found[0]).is_nan(), 0x7c00),
                OutputDtype::F32 | OutputDtype::Bf16 => {
                    (bf16::from_bits(found[0]).is_nan(), 0x7f80)
                }
            };
            assert!(nan, "{dtype}");
            assert_eq!(found[1..], [infinity, infinity | 0x8000], "{dtype}");
        }
    }

    #[test]
    fn every_chunk_is_rounded_as_one_value_is() {
        // Steps through all exponents and signs, over more than one chunk.
        let values: Vec<f32> = (0..=u16::MAX)
            .map(|bits| {
                f32::from_bits(
                    u32::from(bits) << 16 | u32::from(bits).wrapping_mul(40_503) & 0xffff,
                )
            })
            .collect();
        let single = |to_bits: fn(f32) -> u16| {
            values
                .iter()
                .map(|&value| to_bits(value))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            halves(OutputDtype::F16, &values),
            single(|value| f16::from_f32_const(value).to_bits())
        );
        assert_eq!(
            halves(OutputDtype::Bf16, &values),
            single(|value| bf16::from_f32_const(value).to_bits())
        );
    }
}
