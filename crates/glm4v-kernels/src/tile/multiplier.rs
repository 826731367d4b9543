//! A kernel in use.

use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
use super::amx;
use super::widen::{Widen, WidenBytes};
use super::{COLUMNS, Kernel, Left, Tile};
use crate::buffer::with_words;
use crate::format::{Bytes, Format};

/// A kernel in use on one thread. It owns the thread's AMX configuration.
pub(crate) struct Multiplier<'a> {
    kernel: &'a Kernel,
    #[cfg(target_arch = "x86_64")]
    _tiles: Option<amx::Configured>,
    of_one_thread: PhantomData<*mut ()>,
}

impl<'a> Multiplier<'a> {
    pub(super) fn new(kernel: &'a Kernel) -> Self {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: such a kernel is built only if AMX is on.
        let tiles = kernel.uses_amx.then(|| unsafe { amx::Configured::new() });
        Self {
            kernel,
            #[cfg(target_arch = "x86_64")]
            _tiles: tiles,
            of_one_thread: PhantomData,
        }
    }

    /// Calls `use_right` with the panel in the format that [`multiply`](Self::multiply) reads.
    pub(crate) fn with_right(&self, panel: &[u32], use_right: impl FnOnce(&[u32])) {
        let isa = self.kernel.isa;
        match (self.kernel.left(), self.kernel.right) {
            (Format::F32, Format::Pairs) => with_words(2 * panel.len(), |words| {
                let words = words.as_mut_slice();
                isa.run(Widen { panel, words });
                use_right(words);
            }),
            (Format::Bytes(Bytes::Shorts), Format::Bytes(_)) => {
                with_words(COLUMNS * Bytes::Shorts.words(), |words| {
                    let words = words.as_mut_slice();
                    isa.run(WidenBytes { panel, words });
                    use_right(words);
                });
            }
            (Format::F32 | Format::Pairs | Format::Bytes(_), _) => use_right(panel),
        }
    }

    /// Multiplies left panels, each with its tile of `tiles`.
    pub(crate) fn multiply_panels(&self, left: &[u32], right: &[u32], tiles: &mut Tile, add: bool) {
        match self.kernel.left {
            Left::Vectors(_) | Left::Quads | Left::Tiles | Left::Bytes(_) => {
                let rows = self.kernel.rows();
                let panel_words = left.len() / (tiles.len() / rows);
                let panels = left.chunks_exact(panel_words);
                for (left, tile) in panels.zip(tiles.chunks_exact_mut(rows)) {
                    self.multiply(left, right, tile, add);
                }
            }
            Left::ByteTiles => self.multiply(left, right, tiles, add),
        }
    }

    /// tile = left·right, or tile += left·right.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn multiply(&self, left: &[u32], right: &[u32], tile: &mut Tile, add: bool) {
        // SAFETY: the constructors have checked that the processor has the instructions, and `begin` has configured this
        // thread's tiles. The function needs nothing else: it reads the slices in whole steps and stops at the end of the
        // shorter one.
        unsafe { (self.kernel.multiply)(left, right, tile, add) }
    }
}
