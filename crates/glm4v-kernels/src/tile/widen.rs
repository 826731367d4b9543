//! Widens right panels, once for all rows that they multiply: pairs of bf16 to f32, and bytes to i16. The loops are plain:
//! `array::map` is not inlined here, and would not be compiled for the instruction set.

use super::COLUMNS;
use crate::isa::Job;

/// Widens a panel of pairs, for processors that multiply f32 faster.
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
            for ((pair, lower), upper) in pairs.iter().zip(lower).zip(upper) {
                *lower = pair << 16;
                *upper = pair & 0xffff_0000;
            }
        }
    }
}

/// Widens a panel of [`Bytes::Signed`](crate::format::Bytes::Signed) to
/// [`Bytes::Shorts`](crate::format::Bytes::Shorts), for processors that multiply no bytes.
pub(super) struct WidenBytes<'a> {
    pub(super) panel: &'a [u32],
    pub(super) words: &'a mut [u32],
}

impl Job for WidenBytes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (panel, _) = self.panel.as_chunks::<COLUMNS>();
        let (words, _) = self.words.as_chunks_mut::<COLUMNS>();
        let (Some((scales, steps)), Some((scales_too, words))) =
            (panel.split_last(), words.split_last_mut())
        else {
            return;
        };
        *scales_too = *scales;
        for (four, [lower, upper]) in steps.iter().zip(words.as_chunks_mut::<2>().0) {
            for ((four, lower), upper) in four.iter().zip(lower).zip(upper) {
                *lower = two(four << 16);
                *upper = two(*four);
            }
        }
    }
}

/// The upper two bytes as two i16.
#[inline(always)]
fn two(four: u32) -> u32 {
    let [low, high] = [four << 8, four].map(|four| (four as i32 >> 24) as u32);
    low & 0xffff | high << 16
}
