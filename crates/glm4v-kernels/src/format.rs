//! How values are stored in the words of a panel.

use crate::Precision;
use crate::transpose::STEPS;

/// Values with one scale. The sum of a group's products is below 2²⁴, so that it is exact in i32 and in f32.
pub(crate) const GROUP: usize = 128;

/// The content of a panel's 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One f32
    F32,
    /// Two values rounded to bf16, the first in the lower half; a lane is padded to whole blocks of 16 words
    Pairs,
    /// Integers and scales of groups; a lane is padded to whole groups
    Bytes(Bytes),
}

impl Format {
    /// The format of packed weights. It does not depend on the instruction set, but the order of a panel's words does.
    pub(crate) fn of_weights(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Pairs,
            Precision::Int8 => Self::Bytes(Bytes::Signed),
        }
    }

    /// Words of one lane that stores `values` values.
    pub(crate) fn words(self, values: usize) -> usize {
        match self {
            Self::F32 => values,
            Self::Pairs => values.div_ceil(2).next_multiple_of(STEPS),
            Self::Bytes(bytes) => values.div_ceil(GROUP) * bytes.words(),
        }
    }
}

/// The integers of a group in a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Two i16 a word, for processors that multiply no bytes
    Shorts,
    /// Four i8 a word
    Signed,
    /// Four i8 a word. −128 times their sum comes last, for products with `Unsigned`
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    SignedAndSum,
    /// Four u8 a word, each an i8 plus 128
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Unsigned,
    /// Four i8 a word, two words of a lane side by side
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
    Octets,
    /// Four i8 a word, 16 words of a lane side by side
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Steps,
}

impl Bytes {
    /// Words of the integers of one lane and one group.
    pub(crate) const fn steps(self) -> usize {
        match self {
            Self::Shorts => GROUP / 2,
            Self::Signed | Self::SignedAndSum | Self::Unsigned | Self::Octets | Self::Steps => {
                GROUP / 4
            }
        }
    }

    /// Words of one lane and one group: the integers, their scale, and the sum if there is one.
    pub(crate) const fn words(self) -> usize {
        match self {
            Self::Shorts | Self::Signed | Self::Unsigned | Self::Octets | Self::Steps => {
                self.steps() + 1
            }
            Self::SignedAndSum => self.steps() + 2,
        }
    }
}
