//! The right operand of a product.

use std::ops::Range;

use rayon::prelude::*;

use crate::Precision;
use crate::buffer::Words;
use crate::bytes::Factors;
use crate::element::Element;
use crate::format::Format;
use crate::tile::{COLUMNS, Kernel};

/// A matrix in panels of 32 columns, split into blocks of the inner dimension: `[k_block][panel][step][column]`
/// in the order that the kernel reads.
pub(crate) struct Panels {
    /// Multiplies the panels
    pub(crate) kernel: Kernel,
    pub(crate) in_features: usize,
    /// Number of panels side by side
    pub(crate) count: usize,
    words: Words,
    /// By which rows are multiplied before they are rounded to integers. Empty in floating point
    factors: Vec<f32>,
}

impl Panels {
    /// Words that `count` panels take.
    pub(crate) fn words(precision: Precision, in_features: usize, count: usize) -> u64 {
        COLUMNS as u64 * count as u64 * Format::of_weights(precision).words(in_features) as u64
    }

    /// Packs `count` panels of the rows of `weights`. `row` returns the row for a panel and its lane: `in_features` values, or an
    /// empty slice.
    pub(crate) fn new<'a, X: Element>(
        kernel: Kernel,
        in_features: usize,
        weights: &[&'a [X]],
        count: usize,
        row: impl Fn(usize, usize) -> &'a [X] + Sync,
    ) -> Self {
        let format = kernel.right();
        let factors = match format {
            Format::F32 | Format::Pairs => Factors::default(),
            Format::Bytes(_) => Factors::new(weights, in_features),
        };
        let mut words = Words::new(COLUMNS * count * format.words(in_features));
        let mut rest = words.as_mut_slice();
        for block in kernel.k_blocks(in_features) {
            let panel_words = COLUMNS * format.words(block.len());
            let (of_block, after) = rest.split_at_mut(count * panel_words);
            rest = after;
            of_block
                .par_chunks_exact_mut(panel_words)
                .enumerate()
                .for_each(|(panel, words)| {
                    let rows = |lane| match row(panel, lane) {
                        row if row.is_empty() => row,
                        row => &row[block.clone()],
                    };
                    let factors = factors.weights.get(block.clone());
                    kernel.pack_weights(rows, factors.unwrap_or_default(), words);
                });
        }
        Self {
            kernel,
            in_features,
            count,
            words,
            factors: factors.rows,
        }
    }

    /// The factors of one block of a row's values.
    pub(crate) fn factors(&self, block: &Range<usize>) -> &[f32] {
        self.factors.get(block.clone()).unwrap_or_default()
    }

    /// The precision of products.
    pub(crate) fn precision(&self) -> Precision {
        match self.kernel.right() {
            Format::F32 => Precision::F32,
            Format::Pairs => Precision::Bf16,
            Format::Bytes(_) => Precision::Int8,
        }
    }

    #[cfg(test)]
    pub(crate) fn num_bytes(&self) -> u64 {
        size_of_val(self.words.as_slice()) as u64
    }

    /// Panel `panel` of one block of the inner dimension.
    #[inline]
    pub(crate) fn panel(&self, block: &Range<usize>, panel: usize) -> &[u32] {
        let format = self.kernel.right();
        let words = COLUMNS * format.words(block.len());
        let first = COLUMNS * self.count * format.words(block.start) + panel * words;
        &self.words.as_slice()[first..first + words]
    }
}
