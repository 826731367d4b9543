//! The right operand of a product, packed once.

use std::ops::Range;

use rayon::prelude::*;

use crate::Precision;
use crate::buffer::Words;
use crate::element::Element;
use crate::pack::{Order, RowPanel};
use crate::tile::{COLUMNS, Format, Kernel};

/// A matrix in panels of 32 columns, cut along the inner dimension into runs: `[run][panel][step][column]`.
pub(crate) struct Panels {
    /// What multiplies them
    pub(crate) kernel: Kernel,
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
        kernel: Kernel,
        inner: usize,
        count: usize,
        row: impl Fn(usize, usize) -> &'a [X] + Sync,
    ) -> Self {
        let format = kernel.right();
        let mut words = Words::new(COLUMNS * count * format.words(inner));
        let mut rest = words.as_mut_slice();
        for run in kernel.runs(inner) {
            let panel_words = COLUMNS * format.words(run.len());
            let (of_run, after) = rest.split_at_mut(count * panel_words);
            rest = after;
            of_run
                .par_chunks_exact_mut(panel_words)
                .enumerate()
                .for_each(|(panel, words)| {
                    let rows = std::array::from_fn(|lane| match row(panel, lane) {
                        row if row.is_empty() => row,
                        row => &row[run.clone()],
                    });
                    kernel.isa().run(RowPanel::<X, COLUMNS> {
                        rows,
                        format,
                        order: Order::Lanes,
                        panel: words,
                    });
                });
        }
        Self {
            kernel,
            inner,
            count,
            words,
        }
    }

    /// What products are computed in.
    pub(crate) fn precision(&self) -> Precision {
        match self.kernel.right() {
            Format::F32 => Precision::F32,
            Format::Pairs => Precision::Bf16,
        }
    }

    #[cfg(test)]
    pub(crate) fn num_bytes(&self) -> u64 {
        size_of_val(self.words.as_slice()) as u64
    }

    /// Panel `panel` of `run`.
    #[inline]
    pub(crate) fn panel(&self, run: &Range<usize>, panel: usize) -> &[u32] {
        let format = self.kernel.right();
        let words = COLUMNS * format.words(run.len());
        let first = COLUMNS * self.count * format.words(run.start) + panel * words;
        &self.words.as_slice()[first..first + words]
    }
}
