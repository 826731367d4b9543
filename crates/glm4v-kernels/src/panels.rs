//! The right operand of a product, packed once.

use rayon::prelude::*;

use crate::buffer::Words;
use crate::element::Element;
use crate::isa::Isa;
use crate::tile::{COLUMNS, Format, Kernel};
use crate::{Precision, pack};

/// A matrix in panels of 32 columns, cut along the inner dimension into runs: `[run][panel][step][column]`.
pub(crate) struct Panels {
    pub(crate) precision: Precision,
    pub(crate) inner: usize,
    /// Panels side by side
    pub(crate) count: usize,
    words: Words,
}

impl Panels {
    /// Words that `count` panels take.
    pub(crate) fn words(precision: Precision, inner: usize, count: usize) -> u64 {
        COLUMNS as u64 * count as u64 * Format::of_weights(precision).words(inner) as u64
    }

    /// Packs the rows that `row` names for each of `count` panels' columns; each of `inner` values, or none.
    pub(crate) fn new<'a, X: Element>(
        isa: Isa,
        precision: Precision,
        inner: usize,
        count: usize,
        row: impl Fn(usize, usize) -> &'a [X] + Sync,
    ) -> Self {
        let format = Kernel::new(precision, isa).right();
        let words = Self::words(precision, inner, count) as usize;
        let mut panels = Self {
            precision,
            inner,
            count,
            words: Words::new(words),
        };
        let mut rest = panels.words.as_mut_slice();
        for run in runs(precision, inner) {
            let panel_words = COLUMNS * format.words(run.len());
            let (of_run, after) = rest.split_at_mut(count * panel_words);
            rest = after;
            of_run
                .par_chunks_exact_mut(panel_words)
                .enumerate()
                .for_each(|(panel, words)| {
                    let rows = std::array::from_fn(|lane| {
                        let row = row(panel, lane);
                        if row.is_empty() {
                            row
                        } else {
                            &row[run.clone()]
                        }
                    });
                    isa.run(pack::Rows::<X, COLUMNS> {
                        rows,
                        format,
                        panel: words,
                    });
                });
        }
        panels
    }

    #[cfg(test)]
    pub(crate) fn num_bytes(&self) -> u64 {
        size_of_val(self.words.as_slice()) as u64
    }

    /// Panel `panel` of the run that starts at `start` and has `length` values.
    #[inline]
    pub(crate) fn panel(
        &self,
        kernel: &Kernel,
        start: usize,
        length: usize,
        panel: usize,
    ) -> &[u32] {
        let format = kernel.right();
        let words = COLUMNS * format.words(length);
        let first = COLUMNS * self.count * format.words(start) + panel * words;
        &self.words.as_slice()[first..first + words]
    }
}

/// The inner dimension in runs. A run's panels of both operands stay in the near caches, and sums of sums are more exact
/// than one long sum.
pub(crate) fn runs(
    precision: Precision,
    inner: usize,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let depth = match precision {
        Precision::F32 => DEPTH,
        Precision::Bf16 => 2 * DEPTH,
    };
    (0..inner)
        .step_by(depth)
        .map(move |start| start..inner.min(start + depth))
}

/// Steps of a run: even, so that whole runs hold whole pairs.
const DEPTH: usize = 384;
