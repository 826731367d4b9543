//! The micro-kernels: the sums of a tile, some rows by 32 columns, over one block of the inner dimension.
//!
//! Both operands are panels of 32-bit words: one f32, two bf16, or integers of a group ([`Format`]). A step is one word of every lane. All
//! right panels have 32 lanes, so packed weights have the same size for every kernel. Left panels differ:
//!
//! - Vector kernels read 12 lanes, which suits AVX-512: the 24 sums use 24 of its 32 registers.
//! - `BFMMLA` of ARM64 reads 12 lanes, and four values of a lane at once. Two steps of a lane are therefore side by side, in left
//!   and in right panels.
//! - AMX reads 32 lanes. 16 steps form a block, in which the words of a row are contiguous: two of the processor's tiles. They
//!   are multiplied with the two tiles of 16 steps of a right panel.
//! - Kernels of integers read 12 lanes of one group, in the order of their instruction ([`Dot`]). AMX reads 32 lanes of it, in the
//!   order of its tiles.

#[cfg(target_arch = "x86_64")]
mod amx;
mod amx_text;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dot;
#[cfg(any(test, target_arch = "x86_64"))]
mod model;
mod multiplier;
#[cfg(target_arch = "aarch64")]
mod neon;
mod packing;
mod portable;
mod tiles;
mod widen;

use std::fmt;
use std::ops::Range;

use self::dot::Dot;
pub(crate) use self::multiplier::Multiplier;
pub use self::tiles::Amx;
use crate::Precision;
use crate::format::{Bytes, Format, GROUP};
use crate::isa::Isa;
use crate::pack::Order;

/// Columns of a tile, which are the lanes of a right panel.
pub(crate) const COLUMNS: usize = 32;
/// Rows of a vector kernel's tile.
const VECTOR_ROWS: usize = 12;
/// Rows of an AMX tile: two of the processor's tiles.
const AMX_ROWS: usize = 32;

/// Steps that the vector kernels multiply at once. The panels of both operands then stay in the near caches.
const VECTOR_STEPS: usize = 384;
/// Values that AMX multiplies at once. A right panel of 16 KiB then stays in the first-level cache of 48 KiB while left panels of
/// the same size pass through it. Longer panels would evict each other.
const AMX_VALUES: usize = 256;
/// Left panels that AMX multiplies with a group of weights at once. The sums of 96 rows take 12 KiB, so that they stay in the
/// first-level cache between groups: they are read and written for every group.
const AMX_STRIP: usize = 3;
/// Groups in which AMX reads the rows of a task again and again. 288 rows of 1,536 values and their sums fit the second-level cache.
const AMX_GROUPS: usize = 12;

/// 32 sums for each row of a tile.
pub(crate) type Tile = [[f32; COLUMNS]];
type Multiply = unsafe fn(left: &[u32], right: &[u32], tile: &mut Tile, add: bool);
type Scale = unsafe fn(tile: &mut Tile, factors: &[f32; COLUMNS]);

/// The micro-kernels of one precision and one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    isa: Isa,
    /// Whether `multiply` needs the tiles of AMX
    uses_amx: bool,
    multiply: Multiply,
    scale: Scale,
    left: Left,
    right: Format,
    /// Values of the inner dimension that are multiplied at once
    k_block: usize,
}

/// How left panels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// 12 lanes
    Vectors(Format),
    /// 12 lanes, two steps of a lane side by side, as in the right panels
    Quads,
    /// 32 lanes, in blocks of 16 steps
    Tiles,
    /// 12 lanes of one group
    Bytes(Bytes),
    /// 32 lanes of one group, in blocks of 16 steps
    ByteTiles,
}

impl Kernel {
    /// The kernel for rows and weights. If no instruction multiplies pairs, packed pairs are widened before use and multiplied
    /// in f32.
    pub(crate) fn for_weights(precision: Precision) -> Self {
        match precision {
            Precision::F32 | Precision::Bf16 => Self {
                right: Format::of_weights(precision),
                ..Self::for_values(precision)
            },
            Precision::Int8 => Self::of_bytes(Isa::detected(), Dot::detected()),
        }
    }

    /// The kernel for operands that are packed for one product. It is f32 if no instruction multiplies pairs. No kernel packs
    /// integers for one product only.
    pub(crate) fn for_values(precision: Precision) -> Self {
        let isa = Isa::detected();
        match precision {
            Precision::F32 => Self::of_f32(isa),
            Precision::Bf16 | Precision::Int8 => of_amx(isa).unwrap_or_else(|| Self::of_isa(isa)),
        }
    }

    /// The kernel of `isa` for pairs, or for f32 if it has none.
    fn of_isa(isa: Isa) -> Self {
        isa.check();
        of_pairs(isa).unwrap_or_else(|| Self::of_f32(isa))
    }

    fn of_f32(isa: Isa) -> Self {
        isa.check();
        Self::of_vectors(isa, Format::F32, multiply(isa))
    }

    fn of_vectors(isa: Isa, format: Format, multiply: Multiply) -> Self {
        Self {
            isa,
            uses_amx: false,
            multiply,
            scale: scale(isa),
            left: Left::Vectors(format),
            right: format,
            k_block: match format {
                Format::F32 => VECTOR_STEPS,
                Format::Pairs => 2 * VECTOR_STEPS,
                Format::Bytes(_) => GROUP,
            },
        }
    }

    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    fn of_tiles(isa: Isa, multiply: Multiply) -> Self {
        Self {
            isa,
            uses_amx: false,
            multiply,
            scale: scale(isa),
            left: Left::Tiles,
            right: Format::Pairs,
            k_block: AMX_VALUES,
        }
    }

    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
    fn of_quads(isa: Isa, multiply: Multiply) -> Self {
        Self {
            left: Left::Quads,
            ..Self::of_vectors(isa, Format::Pairs, multiply)
        }
    }

    fn of_bytes(isa: Isa, dot: Dot) -> Self {
        isa.check();
        dot.check();
        Self {
            isa,
            uses_amx: dot.uses_amx(),
            multiply: dot.multiply(),
            scale: scale(isa),
            left: match dot.rows() {
                Bytes::Steps => Left::ByteTiles,
                bytes @ (Bytes::Shorts
                | Bytes::Signed
                | Bytes::SignedAndSum
                | Bytes::Unsigned
                | Bytes::Octets) => Left::Bytes(bytes),
            },
            right: Format::Bytes(dot.weights()),
            k_block: GROUP,
        }
    }

    /// Every kernel for rows and weights that runs here, and the loops that model instructions which other processors have.
    #[cfg(test)]
    pub(crate) fn available(precision: Precision) -> Vec<Self> {
        let isa = Isa::detected();
        match precision {
            Precision::F32 => Isa::available().map(Self::of_f32).collect(),
            Precision::Bf16 => {
                let of_isa = |isa| Self {
                    right: Format::Pairs,
                    ..Self::of_isa(isa)
                };
                let modelled = [
                    Self::of_tiles(isa, model::pairs),
                    Self::of_quads(isa, model::quads),
                ];
                let real = Isa::available().map(of_isa).chain(of_amx(isa));
                real.chain(modelled).collect()
            }
            Precision::Int8 => {
                let dots = Dot::available().chain(Dot::modelled());
                dots.map(|dot| Self::of_bytes(isa, dot)).collect()
            }
        }
    }

    /// A kernel of every layout of weights, of any processor. It packs as that processor does, but may not multiply.
    #[cfg(test)]
    pub(crate) fn of_every_layout() -> Vec<Self> {
        let isa = Isa::detected();
        let f32s = Self::of_f32(isa);
        let widened = Self {
            right: Format::Pairs,
            ..f32s
        };
        let pairs = Self::of_vectors(isa, Format::Pairs, portable::f32);
        let of_pairs = [
            widened,
            pairs,
            Self::of_tiles(isa, model::pairs),
            Self::of_quads(isa, model::quads),
        ];
        let dots = Dot::modelled().into_iter().chain([Dot::Portable]);
        let of_bytes = dots.map(|dot| Self::of_bytes(isa, dot));
        [f32s].into_iter().chain(of_pairs).chain(of_bytes).collect()
    }

    /// [`Kernel::available`] for operands that are packed for one product.
    #[cfg(test)]
    pub(crate) fn available_for_values(precision: Precision) -> Vec<Self> {
        let alike = |kernel: Self| match kernel.left {
            Left::Vectors(format) => Self {
                right: format,
                ..kernel
            },
            Left::Quads | Left::Tiles | Left::Bytes(_) | Left::ByteTiles => kernel,
        };
        Self::available(precision).into_iter().map(alike).collect()
    }

    /// The instruction set for all code around the micro-kernels.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows of a tile, which are the lanes of a left panel.
    pub(crate) fn rows(&self) -> usize {
        match self.left {
            Left::Vectors(_) | Left::Quads | Left::Bytes(_) => VECTOR_ROWS,
            Left::Tiles | Left::ByteTiles => AMX_ROWS,
        }
    }

    /// Row panels of a task. 144 rows stay in the second-level cache beside the weights. AMX takes 288: it is faster, and the
    /// weights, which each task reads once, would arrive too late.
    pub(crate) fn task_panels(&self) -> usize {
        match self.left {
            Left::Vectors(_) | Left::Quads | Left::Bytes(_) => 12,
            Left::Tiles | Left::ByteTiles => 9,
        }
    }

    /// Row panels of a task that are multiplied with a column panel before the next ones.
    pub(crate) fn strip_panels(&self) -> usize {
        match self.left {
            Left::Vectors(_) | Left::Quads | Left::Tiles | Left::Bytes(_) => self.task_panels(),
            Left::ByteTiles => AMX_STRIP,
        }
    }

    /// Blocks of the inner dimension that such a strip is multiplied with before the next one.
    pub(crate) fn strip_blocks(&self) -> usize {
        match self.left {
            Left::Vectors(_) | Left::Quads | Left::Tiles | Left::Bytes(_) => 1,
            Left::ByteTiles => AMX_GROUPS,
        }
    }

    /// The format of left panels.
    pub(crate) fn left(&self) -> Format {
        match self.left {
            Left::Vectors(format) => format,
            Left::Quads | Left::Tiles => Format::Pairs,
            Left::Bytes(bytes) => Format::Bytes(bytes),
            Left::ByteTiles => Format::Bytes(Bytes::Steps),
        }
    }

    /// The format of right panels.
    pub(crate) fn right(&self) -> Format {
        self.right
    }

    /// The order of the words of right panels.
    pub(crate) fn right_order(&self) -> Order {
        match self.left {
            Left::Vectors(_) | Left::Tiles | Left::Bytes(_) | Left::ByteTiles => Order::Lanes,
            Left::Quads => Order::Quads,
        }
    }

    /// Values of a block of the inner dimension.
    pub(crate) fn k_block(&self) -> usize {
        self.k_block
    }

    /// The blocks of the inner dimension. Each is multiplied at once: sums of sums are more exact than one long sum.
    pub(crate) fn k_blocks(&self, in_features: usize) -> impl Iterator<Item = Range<usize>> {
        let block = self.k_block;
        (0..in_features)
            .step_by(block)
            .map(move |start| start..in_features.min(start + block))
    }

    /// Multiplies each column of a tile by its factor.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn scale(&self, tile: &mut Tile, factors: &[f32; COLUMNS]) {
        // SAFETY: the constructors have checked that the processor has the instructions.
        unsafe { (self.scale)(tile, factors) }
    }

    /// Prepares this thread for products.
    pub(crate) fn begin(&self) -> Multiplier<'_> {
        Multiplier::new(self)
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amx = if self.uses_amx { "+amx" } else { "" };
        write!(f, "{}{amx} ({:?} × {:?})", self.isa, self.left, self.right)
    }
}

/// The names of the instruction sets for products in this precision. Results of others differ in the last bits.
#[must_use]
pub fn instructions(precision: Precision) -> String {
    let isa = Isa::detected();
    match precision {
        Precision::Bf16 | Precision::Int8 if Amx::is_on() => format!("{isa}+amx"),
        Precision::F32 | Precision::Bf16 | Precision::Int8 => isa.to_string(),
    }
}

/// The kernel of AMX, if it is on. `isa` runs the code around it.
#[cfg(target_arch = "x86_64")]
fn of_amx(isa: Isa) -> Option<Kernel> {
    Amx::is_on().then(|| Kernel {
        uses_amx: true,
        ..Kernel::of_tiles(isa, amx::pairs)
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn of_amx(_: Isa) -> Option<Kernel> {
    None
}

/// The kernel of an instruction set that multiplies pairs.
fn of_pairs(isa: Isa) -> Option<Kernel> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bf16 => Some(Kernel::of_vectors(isa, Format::Pairs, avx512::pairs)),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => None,
        #[cfg(target_arch = "aarch64")]
        Isa::NeonBf16 => Some(Kernel::of_quads(isa, neon::quads)),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => None,
        Isa::Portable => None,
    }
}

fn multiply(isa: Isa) -> Multiply {
    match isa {
        Isa::Portable => portable::f32,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::f32,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Bf16 => avx512::f32,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonBf16 => neon::f32,
    }
}

fn scale(isa: Isa) -> Scale {
    match isa {
        Isa::Portable => portable::scale,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::scale,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Bf16 => avx512::scale,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonBf16 => neon::scale,
    }
}
