//! AMX: `TDPBSSD` multiplies 64 bytes of 16 rows by 64 bytes of 16 columns. A group is two such products.
//!
//! Tiles cannot be scaled. So the sums of each group go through memory, and vector instructions scale and add them. That takes
//! about as long as the products. Both run at the same time: the products of half a panel come before the scaling of the previous
//! half, and neither waits for the other. Two halves in turn use other tiles for their sums, so that four sums are in flight.
//!
//! This kernel has run on an emulator only. It is checked before it is used.
#![allow(unsafe_code)]

use std::arch::asm;
use std::mem::MaybeUninit;

use super::split;
use crate::format::Bytes;
use crate::isa::{Isa, Job};
use crate::tile::{AMX_ROWS, COLUMNS, Tile};

/// Rows of one of the processor's tiles.
const HALF_ROWS: usize = AMX_ROWS / 2;
/// Words of a left panel.
const PANEL_WORDS: usize = AMX_ROWS * Bytes::Steps.words();

/// The integers of a panel of rows or columns: two blocks of 16 steps.
type Integers = [[u32; 32]; Bytes::Steps.steps()];

/// The sums of half a panel.
#[repr(align(64))]
struct Sums([[i32; COLUMNS]; HALF_ROWS]);

/// Multiplies any number of left panels.
///
/// # Safety
/// This thread's tiles must be [`Configured`](crate::tile::amx::Configured).
pub(super) unsafe fn bytes(left: &[u32], right: &[u32], tiles: &mut Tile, add: bool) {
    Isa::detected().run(Group {
        left,
        right,
        tiles,
        add,
    });
}

/// A group of some left panels and a right panel. Only [`bytes`] makes it.
struct Group<'a> {
    left: &'a [u32],
    right: &'a [u32],
    tiles: &'a mut Tile,
    add: bool,
}

/// Half a panel, to be scaled.
struct Half<'a> {
    sums: &'a Sums,
    row_scales: &'a [u32],
    tile: &'a mut Tile,
}

impl Job for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (right, column_scales) = split::<COLUMNS>(self.right, Bytes::Signed);
        let right: &Integers = right.try_into().expect("a group of columns");
        let column_scales = &column_scales[0];
        let [mut upper, mut lower] = [const { MaybeUninit::uninit() }; 2];
        let mut waiting: Option<Half<'_>> = None;
        let panels = self.left.chunks_exact(PANEL_WORDS);
        for (left, tile) in panels.zip(self.tiles.chunks_exact_mut(AMX_ROWS)) {
            let (left, row_scales) = split::<AMX_ROWS>(left, Bytes::Steps);
            let left: &Integers = left.try_into().expect("a group of rows");
            let (upper_scales, lower_scales) = row_scales[0].split_at(HALF_ROWS);
            let (upper_tile, lower_tile) = tile.split_at_mut(HALF_ROWS);

            // SAFETY: only `bytes` makes a group, and its caller has configured this thread's tiles.
            let sums = unsafe { multiply_upper(left, right, &mut upper) };
            if let Some(half) = waiting {
                half.scale(column_scales, self.add);
            }
            let upper = Half {
                sums,
                row_scales: upper_scales,
                tile: upper_tile,
            };
            // SAFETY: only `bytes` makes a group, and its caller has configured this thread's tiles.
            let sums = unsafe { multiply_lower(left, right, &mut lower) };
            upper.scale(column_scales, self.add);
            waiting = Some(Half {
                sums,
                row_scales: lower_scales,
                tile: lower_tile,
            });
        }
        if let Some(half) = waiting {
            half.scale(column_scales, self.add);
        }
    }
}

impl Half<'_> {
    /// Scales the sums, and stores them or adds them to the tile.
    #[inline(always)]
    fn scale(self, column_scales: &[u32; COLUMNS], add: bool) {
        let rows = self.tile.iter_mut().zip(&self.sums.0).zip(self.row_scales);
        for ((values, sums), row_scale) in rows {
            let row_scale = f32::from_bits(*row_scale);
            // Local copies: the compiler knows that they do not overlap with the tile.
            let before = if add { *values } else { [0.0; COLUMNS] };
            let mut after = [0.0; COLUMNS];
            for lane in 0..COLUMNS {
                let scale = row_scale * f32::from_bits(column_scales[lane]);
                let scaled = sums[lane] as f32 * scale;
                after[lane] = if add { before[lane] + scaled } else { scaled };
            }
            *values = after;
        }
    }
}

/// A function that multiplies 16 rows of a panel, from byte `$first` on, with all columns. The sums are in the tiles `$left_sum` and
/// `$right_sum`.
macro_rules! multiply {
    ($name:ident, $first:literal, $left_sum:literal, $right_sum:literal) => {
        /// # Safety
        /// This thread's tiles must be configured.
        #[inline(always)]
        unsafe fn $name<'a>(
            left: &Integers,
            right: &Integers,
            sums: &'a mut MaybeUninit<Sums>,
        ) -> &'a Sums {
            // SAFETY: a block of 16 steps is 2 KiB of either panel, and there are two. Rows are 64 bytes apart in the left panel, and
            // 128 bytes in the right panel and in the sums, which are all written.
            unsafe {
                asm!(
                    concat!("tilezero ", $left_sum),
                    concat!("tilezero ", $right_sum),
                    concat!("tileloadd tmm4, [{left} + {row} + ", $first, "]"),
                    "tileloadd tmm5, [{right} + 2 * {row}]",
                    concat!("tdpbssd ", $left_sum, ", tmm4, tmm5"),
                    "tileloadd tmm6, [{right} + 2 * {row} + 64]",
                    concat!("tdpbssd ", $right_sum, ", tmm4, tmm6"),
                    concat!("tileloadd tmm7, [{left} + {row} + 2048 + ", $first, "]"),
                    "tileloadd tmm5, [{right} + 2 * {row} + 2048]",
                    concat!("tdpbssd ", $left_sum, ", tmm7, tmm5"),
                    "tileloadd tmm6, [{right} + 2 * {row} + 2112]",
                    concat!("tdpbssd ", $right_sum, ", tmm7, tmm6"),
                    concat!("tilestored [{sums} + 2 * {row}], ", $left_sum),
                    concat!("tilestored [{sums} + 2 * {row} + 64], ", $right_sum),
                    left = in(reg) left.as_ptr(),
                    right = in(reg) right.as_ptr(),
                    sums = in(reg) sums.as_mut_ptr(),
                    row = in(reg) 64_usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack, preserves_flags),
                );
                sums.assume_init_ref()
            }
        }
    };
}

multiply!(multiply_upper, 0, "tmm0", "tmm1");
multiply!(multiply_lower, 1024, "tmm2", "tmm3");
