//! AMX tiles of 16 rows of 64 bytes, in assembly: stable Rust has no functions for them.
//!
//! Four tiles store the sums of 32×32 values. Two store 16 steps of the left panel's 32 rows, and two store 16 steps of the right
//! panel's 32 columns. A block of 16 steps needs four loads and four products. The products take twice as long as loads from the
//! first-level cache.
#![allow(unsafe_code)]

use std::arch::asm;
use std::cell::Cell;

use super::{AMX_ROWS, COLUMNS, Tile};
use crate::transpose::STEPS;

/// The input of `LDTILECFG`.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles at their full size.
static FULL: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

thread_local! {
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

/// The AMX configuration of this thread. Dropping it releases the tiles: otherwise the system saves their 8 KiB at every switch
/// between threads.
pub(super) struct Configured;

impl Configured {
    /// # Panics
    /// If this thread already has a configuration. Dropping that one would release the tiles.
    ///
    /// # Safety
    /// The processor must have AMX, and the system must have granted it ([`Amx`](crate::Amx)).
    pub(super) unsafe fn new() -> Self {
        assert!(!IN_USE.replace(true), "a product within a product");
        // SAFETY: the instruction exists by this function's contract, and reads 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FULL, options(nostack, readonly)) };
        Self
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        IN_USE.set(false);
        // SAFETY: a configuration exists only if the processor has the instruction.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Prefetches lines of the left panel, two blocks after its current position. The left panel passes through the first-level cache,
/// while the right panel stays. Past the end of a panel this prefetches the next panel.
macro_rules! prefetch {
    ($($line:literal)*) => {
        concat!($("prefetcht0 [{left} + 4096 + 64 * ", $line, "]\n"),*)
    };
}

/// # Safety
/// This thread's tiles must be [`Configured`].
pub(super) unsafe fn pairs(left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
    let blocks = (left.len() / (AMX_ROWS * STEPS)).min(right.len() / (COLUMNS * STEPS));
    let tile: &mut [[f32; COLUMNS]; AMX_ROWS] = tile.try_into().expect("a tile of 32 rows");
    // SAFETY: a block of 16 steps is 2 KiB of either panel, and both slices have `blocks` blocks. Rows are 64 bytes apart in the
    // left panel, and 128 bytes in the right panel and in the tile. The tile's second half begins after 16 rows. A prefetch
    // may read any address.
    unsafe {
        asm!(
            "test {add:e}, {add:e}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{tile} + 2 * {row}]",
            "tileloadd tmm1, [{tile} + 2 * {row} + 64]",
            "tileloadd tmm2, [{tile} + 2 * {row} + 2048]",
            "tileloadd tmm3, [{tile} + 2 * {row} + 2112]",
            "3:",
            "test {blocks}, {blocks}",
            "jz 5f",
            "4:",
            "tileloadd tmm4, [{left} + {row}]",
            "tileloadd tmm6, [{right} + 2 * {row}]",
            prefetch!(0 1 2 3 4 5 6 7),
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{right} + 2 * {row} + 64]",
            prefetch!(8 9 10 11 12 13 14 15),
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{left} + {row} + 1024]",
            prefetch!(16 17 18 19 20 21 22 23),
            "tdpbf16ps tmm2, tmm5, tmm6",
            prefetch!(24 25 26 27 28 29 30 31),
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, 2048",
            "add {right}, 2048",
            "dec {blocks}",
            "jnz 4b",
            "5:",
            "tilestored [{tile} + 2 * {row}], tmm0",
            "tilestored [{tile} + 2 * {row} + 64], tmm1",
            "tilestored [{tile} + 2 * {row} + 2048], tmm2",
            "tilestored [{tile} + 2 * {row} + 2112], tmm3",
            add = in(reg) u32::from(add),
            row = in(reg) 64_usize,
            tile = in(reg) tile.as_mut_ptr(),
            left = inout(reg) left.as_ptr() => _,
            right = inout(reg) right.as_ptr() => _,
            blocks = inout(reg) blocks => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
