//! Widens pairs of bf16 to f32, for processors that multiply f32 faster.

use super::COLUMNS;
use crate::isa::Job;

/// Widens a right panel of pairs, once for all rows that it multiplies.
pub(super) struct Widen<'a> {
    pub(super) panel: &'a [u32],
    /// Twice as many words as `panel`
    pub(super) words: &'a mut [u32],
}

impl Job for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (steps, _) = self.panel.as_chunks::<COLUMNS>();
        let (words, _) = self.words.as_chunks_mut::<COLUMNS>();
        for (pairs, [lower, upper]) in steps.iter().zip(words.as_chunks_mut::<2>().0) {
            *lower = pairs.map(|pair| pair << 16);
            *upper = pairs.map(|pair| pair & 0xffff_0000);
        }
    }
}
