//! How values are stored in the words of a panel.

use crate::Precision;
use crate::transpose::STEPS;

/// The content of a panel's 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One f32
    F32,
    /// Two values rounded to bf16, the first in the lower half; a lane is padded to whole blocks of 16 words
    Pairs,
}

impl Format {
    /// The format of packed weights. It does not depend on the instruction set, but the order of a panel's words does.
    pub(crate) fn of_weights(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Pairs,
        }
    }

    /// Words of one lane that stores `values` values.
    pub(crate) fn words(self, values: usize) -> usize {
        match self {
            Self::F32 => values,
            Self::Pairs => values.div_ceil(2).next_multiple_of(STEPS),
        }
    }
}
