//! The innermost product: a tile of some rows by 32 columns of sums, over one run of the inner dimension.
//!
//! Both operands come as panels of 32-bit words: an f32 each, or two bf16, of which the lower half comes first. A right
//! panel is the same for every kernel, 32 words a step along the inner dimension, so that packed weights are too. A left
//! panel is as its kernel reads it:
//!
//! - the vector kernels' has 12 words a step, which suits AVX-512 (24 sums in 32 registers);
//! - that of AMX has 32 rows, in blocks of 16 steps that lie row after row: two of the processor's tiles each, which are
//!   multiplied with the two tiles that 16 steps of a right panel are.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod model;
mod portable;
mod widen;

use std::fmt;
use std::marker::PhantomData;

use self::widen::Widen;
use crate::Precision;
use crate::buffer::with_words;
use crate::element::Element;
use crate::isa::Isa;
use crate::pack::{ColumnPanel, Columns, Order, RowPanel};
use crate::turn::STEPS;

/// Columns of a tile: lanes of a right panel.
pub(crate) const COLUMNS: usize = 32;
/// Rows of a vector kernel's tile.
const VECTOR_ROWS: usize = 12;
/// Rows of a tile of AMX: two of the processor's.
const AMX_ROWS: usize = 32;

/// Steps of a run that the vector kernels multiply at once: the panels of both operands stay in the near caches.
const VECTOR_STEPS: usize = 384;
/// Values of a run for AMX: a right panel of 16 KiB stays in the first-level cache of 48 KiB while left panels of the same
/// size pass through it; with longer runs the second would push out the first.
const AMX_VALUES: usize = 256;

/// What the words of a panel hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One f32
    F32,
    /// Two values rounded to bf16, and zeros up to whole blocks of 16 words
    Pairs,
}

impl Format {
    /// What weights are packed as, whatever multiplies them.
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
            Self::Pairs => inner.div_ceil(2).next_multiple_of(STEPS),
        }
    }
}

/// 32 sums for each row of a tile.
pub(crate) type Tile = [[f32; COLUMNS]];
type Multiply = unsafe fn(left: &[u32], right: &[u32], tile: &mut Tile, add: bool);
type Scale = unsafe fn(tile: &mut Tile, factors: &[f32; COLUMNS]);

/// The innermost product in one precision, by one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    isa: Isa,
    multiply: Multiply,
    scale: Scale,
    left: Left,
    right: Format,
    run: usize,
}

/// How left panels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// 12 words a step
    Vectors(Format),
    /// 32 rows, in blocks of 16 steps
    Tiles,
}

impl Kernel {
    /// The one for rows and weights. Where no instruction multiplies pairs, weights that are pairs are taken apart when
    /// they are used, and multiplied in f32.
    pub(crate) fn for_weights(precision: Precision, isa: Isa) -> Self {
        match Self::for_values(precision, isa) {
            kernel if precision == Precision::Bf16 => Self {
                right: Format::Pairs,
                ..kernel
            },
            kernel => kernel,
        }
    }

    /// The one for operands that are packed for one product. In f32 where no instruction multiplies pairs.
    pub(crate) fn for_values(precision: Precision, isa: Isa) -> Self {
        isa.check();
        match of_pairs(isa) {
            Some(kernel) if precision == Precision::Bf16 => kernel,
            _ => Self::of_vectors(isa, Format::F32, multiply(isa)),
        }
    }

    fn of_vectors(isa: Isa, format: Format, multiply: Multiply) -> Self {
        Self {
            isa,
            multiply,
            scale: scale(isa),
            left: Left::Vectors(format),
            right: format,
            run: match format {
                Format::F32 => VECTOR_STEPS,
                Format::Pairs => 2 * VECTOR_STEPS,
            },
        }
    }

    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    fn of_tiles(isa: Isa, multiply: Multiply) -> Self {
        Self {
            isa,
            multiply,
            scale: scale(isa),
            left: Left::Tiles,
            right: Format::Pairs,
            run: AMX_VALUES,
        }
    }

    /// Every kernel for rows and weights that runs here, and the one that does by loops what AMX does.
    #[cfg(test)]
    pub(crate) fn available(precision: Precision) -> Vec<Self> {
        let modelled = Self::of_tiles(Isa::detected(), model::pairs);
        let modelled = (precision == Precision::Bf16).then_some(modelled);
        let real = Isa::available().map(|isa| Self::for_weights(precision, isa));
        real.chain(modelled).collect()
    }

    /// The same for operands that are packed for one product.
    #[cfg(test)]
    pub(crate) fn available_for_values(precision: Precision) -> Vec<Self> {
        let alike = |kernel: Self| match kernel.left {
            Left::Vectors(format) => Self {
                right: format,
                ..kernel
            },
            Left::Tiles => kernel,
        };
        Self::available(precision).into_iter().map(alike).collect()
    }

    /// What the rest of the work is compiled for.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows of a tile: lanes of a left panel.
    pub(crate) fn rows(&self) -> usize {
        match self.left {
            Left::Vectors(_) => VECTOR_ROWS,
            Left::Tiles => AMX_ROWS,
        }
    }

    /// Row panels of a task: of 144 rows, whose run stays in the second-level cache beside the weights'; of 288 for AMX,
    /// which is so much faster that weights, read once for each task, would not arrive in time.
    pub(crate) fn task_panels(&self) -> usize {
        match self.left {
            Left::Vectors(_) => 12,
            Left::Tiles => 9,
        }
    }

    /// What the words of left panels hold.
    pub(crate) fn left(&self) -> Format {
        match self.left {
            Left::Vectors(format) => format,
            Left::Tiles => Format::Pairs,
        }
    }

    /// What the words of right panels hold.
    pub(crate) fn right(&self) -> Format {
        self.right
    }

    /// The inner dimension in runs, each multiplied at once. Sums of sums are more exact than one long sum.
    pub(crate) fn runs(&self, inner: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let run = self.run;
        (0..inner)
            .step_by(run)
            .map(move |start| start..inner.min(start + run))
    }

    /// Packs a left panel of the rows that `row` names, each of one length, or empty.
    pub(crate) fn pack_rows<'a, X: Element>(
        &self,
        row: impl Fn(usize) -> &'a [X],
        panel: &mut [u32],
    ) {
        match self.left {
            Left::Vectors(format) => self.isa.run(RowPanel::<X, VECTOR_ROWS> {
                rows: std::array::from_fn(row),
                format,
                order: Order::Lanes,
                panel,
            }),
            Left::Tiles => self.isa.run(RowPanel::<X, AMX_ROWS> {
                rows: std::array::from_fn(row),
                format: Format::Pairs,
                order: Order::Steps,
                panel,
            }),
        }
    }

    /// Packs a left panel of columns, as many as it has rows or fewer.
    pub(crate) fn pack_columns<X: Element>(&self, columns: Columns<'_, X>, panel: &mut [u32]) {
        match self.left {
            Left::Vectors(format) => self.isa.run(ColumnPanel::<X, VECTOR_ROWS> {
                columns,
                format,
                order: Order::Lanes,
                panel,
            }),
            Left::Tiles => self.isa.run(ColumnPanel::<X, AMX_ROWS> {
                columns,
                format: Format::Pairs,
                order: Order::Steps,
                panel,
            }),
        }
    }

    /// Multiplies each column of a tile by its factor.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn scale(&self, tile: &mut Tile, factors: &[f32; COLUMNS]) {
        // SAFETY: the constructors have checked that the processor has the instructions.
        unsafe { (self.scale)(tile, factors) }
    }

    /// Makes this thread ready to multiply.
    pub(crate) fn begin(&self) -> Multiplier<'_> {
        #[cfg(target_arch = "x86_64")]
        let uses_tiles = self.left == Left::Tiles && self.isa == Isa::Amx;
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: the constructors have checked the instruction set.
        let tiles = uses_tiles.then(|| unsafe { amx::Configured::new() });
        Multiplier {
            kernel: self,
            #[cfg(target_arch = "x86_64")]
            _tiles: tiles,
            of_one_thread: PhantomData,
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?} × {:?})", self.isa, self.left, self.right)
    }
}

/// A kernel at work on one thread, which holds what its instructions need there.
pub(crate) struct Multiplier<'a> {
    kernel: &'a Kernel,
    #[cfg(target_arch = "x86_64")]
    _tiles: Option<amx::Configured>,
    of_one_thread: PhantomData<*mut ()>,
}

impl Multiplier<'_> {
    /// Hands out a packed right panel as [`multiply`](Self::multiply) reads it.
    pub(crate) fn with_right(&self, panel: &[u32], use_right: impl FnOnce(&[u32])) {
        if self.kernel.left() == self.kernel.right {
            return use_right(panel);
        }
        with_words(2 * panel.len(), |words| {
            let words = words.as_mut_slice();
            self.kernel.isa.run(Widen { panel, words });
            use_right(words);
        });
    }

    /// tile = left·right, or tile += left·right.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn multiply(&self, left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
        // SAFETY: the constructors have checked that the processor has the instructions, and `begin` has this thread's tiles
        // configured. That is all that makes the function unsafe: it walks the slices in whole steps and stops at the end
        // of the shorter.
        unsafe { (self.kernel.multiply)(left, right, tile, add) }
    }
}

/// The kernel whose instructions multiply pairs.
#[cfg(target_arch = "x86_64")]
fn of_pairs(isa: Isa) -> Option<Kernel> {
    match isa {
        Isa::Amx => Some(Kernel::of_tiles(isa, amx::pairs)),
        Isa::Avx512Bf16 => Some(Kernel::of_vectors(isa, Format::Pairs, avx512::pairs)),
        Isa::Portable | Isa::Avx2 | Isa::Avx512 => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn multiply(isa: Isa) -> Multiply {
    match isa {
        Isa::Portable => portable::f32,
        Isa::Avx2 => avx2::f32,
        Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => avx512::f32,
    }
}

#[cfg(target_arch = "x86_64")]
fn scale(isa: Isa) -> Scale {
    match isa {
        Isa::Portable => portable::scale,
        Isa::Avx2 => avx2::scale,
        Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => avx512::scale,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn of_pairs(_: Isa) -> Option<Kernel> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply(_: Isa) -> Multiply {
    portable::f32
}

#[cfg(not(target_arch = "x86_64"))]
fn scale(_: Isa) -> Scale {
    portable::scale
}
