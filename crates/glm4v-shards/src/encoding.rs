use std::fmt;

use safetensors::Dtype;

/// How the values of a tower's tensors are stored.
///
/// Values are stored in blocks of [`Encoding::block_len`] values and [`Encoding::block_bytes`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// 32-bit float
    F32,
    /// 16-bit float
    F16,
    /// bfloat16
    Bf16,
    /// Blocks of 32 values along the row: a 16-bit float, which is the scale, and 32 signed bytes. GGUF files have it.
    Q8_0,
}

impl Encoding {
    /// The encoding of tensors that have type `dtype` in a safetensors header. Towers are stored in no other type.
    #[must_use]
    pub const fn from_dtype(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    /// The type in a safetensors header, if safetensors files can have this encoding.
    #[must_use]
    pub const fn dtype(self) -> Option<Dtype> {
        match self {
            Self::F32 => Some(Dtype::F32),
            Self::F16 => Some(Dtype::F16),
            Self::Bf16 => Some(Dtype::BF16),
            Self::Q8_0 => None,
        }
    }

    /// Values of one block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 => 32,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
        }
    }

    /// Bytes of `values` values, which are whole blocks.
    #[must_use]
    pub const fn bytes(self, values: u64) -> u64 {
        values / self.block_len() as u64 * self.block_bytes() as u64
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
        })
    }
}
