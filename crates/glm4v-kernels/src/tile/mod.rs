//! The innermost product: a tile of 12×32 sums over one run of the inner dimension.
//!
//! Both operands come as panels of 32-bit words, one after another along the inner dimension: 12 words of the left
//! operand, 32 of the right one. A word is an f32 or two bf16, of which the lower half comes first. The shape suits
//! AVX-512 (24 sums in 32 registers) and is the same everywhere, so that packed weights are too.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::Precision;
use crate::isa::Isa;

/// Rows of a tile: lanes of a left panel.
pub(crate) const ROWS: usize = 12;
/// Columns of a tile: lanes of a right panel.
pub(crate) const COLUMNS: usize = 32;
/// Sums of a tile.
pub(crate) const TILE: usize = ROWS * COLUMNS;

/// What the words of a panel hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One f32
    F32,
    /// Two values rounded to bf16
    Pairs,
    /// One value rounded to bf16, as f32; the inner dimension padded to an even number
    Widened,
}

impl Format {
    /// What weights are packed as, whatever the instruction set.
    pub(crate) fn of_weights(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Pairs,
        }
    }

    /// Words of one lane that hold `inner` values.
    pub(crate) fn words(self, inner: usize) -> usize {
        match self {
            Self::F32 => inner,
            Self::Pairs => inner.div_ceil(2),
            Self::Widened => inner.next_multiple_of(2),
        }
    }
}

type Multiply = unsafe fn(left: &[u32], right: &[u32], tile: &mut [f32; TILE], add: bool);
type Scale = unsafe fn(tile: &mut [f32; TILE], factors: &[f32; COLUMNS]);

/// The innermost product for one precision and instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    multiply: Multiply,
    scale: Scale,
    left: Format,
    right: Format,
}

impl Kernel {
    pub(crate) fn new(precision: Precision, isa: Isa) -> Self {
        isa.check();
        let left = match precision {
            Precision::F32 => Format::F32,
            // Where no instruction multiplies pairs, the left ones are taken apart once, as they are packed.
            Precision::Bf16 if isa < Isa::Avx512Bf16 => Format::Widened,
            Precision::Bf16 => Format::Pairs,
        };
        let (multiply, scale) = choose(precision, isa);
        Self {
            multiply,
            scale,
            left,
            right: Format::of_weights(precision),
        }
    }

    /// How left panels are to be packed.
    pub(crate) fn left(&self) -> Format {
        self.left
    }

    /// How right panels are to be packed.
    pub(crate) fn right(&self) -> Format {
        self.right
    }

    /// tile = left·right, or tile += left·right.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn multiply(&self, left: &[u32], right: &[u32], tile: &mut [f32; TILE], add: bool) {
        // SAFETY: `new` has checked that the processor has the instructions. That is all that makes the function unsafe:
        // it walks the slices in whole steps and stops at the end of the shorter.
        unsafe { (self.multiply)(left, right, tile, add) }
    }

    /// Multiplies each column of a tile by its factor.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn scale(&self, tile: &mut [f32; TILE], factors: &[f32; COLUMNS]) {
        // SAFETY: `new` has checked that the processor has the instructions.
        unsafe { (self.scale)(tile, factors) }
    }
}

#[cfg(target_arch = "x86_64")]
fn choose(precision: Precision, isa: Isa) -> (Multiply, Scale) {
    let multiply: Multiply = match (precision, isa) {
        (Precision::F32, Isa::Portable) => portable::f32,
        (Precision::F32, Isa::Avx2) => avx2::f32,
        (Precision::F32, Isa::Avx512 | Isa::Avx512Bf16) => avx512::f32,
        (Precision::Bf16, Isa::Portable) => portable::widened,
        (Precision::Bf16, Isa::Avx2) => avx2::widened,
        (Precision::Bf16, Isa::Avx512) => avx512::widened,
        (Precision::Bf16, Isa::Avx512Bf16) => avx512::pairs,
    };
    match isa {
        Isa::Portable => (multiply, portable::scale),
        Isa::Avx2 => (multiply, avx2::scale),
        Isa::Avx512 | Isa::Avx512Bf16 => (multiply, avx512::scale),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn choose(precision: Precision, _: Isa) -> (Multiply, Scale) {
    let multiply = match precision {
        Precision::F32 => portable::f32,
        Precision::Bf16 => portable::widened,
    };
    (multiply, portable::scale)
}
