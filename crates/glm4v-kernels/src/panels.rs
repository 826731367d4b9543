//! The right operand of a product.

use std::ops::Range;

use rayon::prelude::*;

use crate::Precision;
use crate::buffer::Words;
use crate::bytes::Factors;
use crate::element::Element;
use crate::format::Format;
use crate::shared::{PackedWords, SharedBytes};
use crate::tile::{COLUMNS, Kernel};

/// The number of the layouts. It changes whenever the same weights are packed as other bytes. A test has the bytes.
const LAYOUTS: u32 = 1;

/// The name of the layout in which this processor packs weights. The same weights have the same packed bytes wherever the name
/// is the same.
#[must_use]
pub fn packed_layout(precision: Precision) -> String {
    layout(&Kernel::for_weights(precision))
}

fn layout(kernel: &Kernel) -> String {
    let endian = if cfg!(target_endian = "big") {
        "be"
    } else {
        "le"
    };
    let (format, order, block) = (kernel.right(), kernel.right_order(), kernel.k_block());
    format!("{LAYOUTS} {endian} {COLUMNS} {format:?} {order:?} {block}")
}

/// Packed weights as they can be stored, and used again in place ([`PackedWeight::from_parts`](crate::PackedWeight::from_parts)).
#[derive(Clone, Copy, Debug)]
pub struct PackedParts<'a> {
    /// The panels, in the layout that [`packed_layout`] names
    pub panels: &'a [u8],
    /// What values of rows are multiplied by; empty in floating point
    pub factors: &'a [f32],
}

/// A matrix in panels of 32 columns, split into blocks of the inner dimension: `[k_block][panel][step][column]`
/// in the order that the kernel reads.
pub(crate) struct Panels {
    /// Multiplies the panels
    pub(crate) kernel: Kernel,
    pub(crate) in_features: usize,
    /// Number of panels side by side
    pub(crate) count: usize,
    words: PackedWords,
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
            words: PackedWords::Own(words),
            factors: factors.rows,
        }
    }

    /// Stored panels, or nothing if they do not have the lengths of these panels.
    pub(crate) fn from_parts(
        kernel: Kernel,
        in_features: usize,
        count: usize,
        panels: SharedBytes,
        factors: Vec<f32>,
    ) -> Option<Self> {
        let format = kernel.right();
        let expected = match format {
            Format::F32 | Format::Pairs => 0,
            Format::Bytes(_) => in_features,
        };
        let words = PackedWords::shared(panels, COLUMNS * count * format.words(in_features))?;
        (factors.len() == expected).then_some(Self {
            kernel,
            in_features,
            count,
            words,
            factors,
        })
    }

    pub(crate) fn parts(&self) -> PackedParts<'_> {
        PackedParts {
            panels: bytemuck::cast_slice(self.words.as_slice()),
            factors: &self.factors,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::numbers;

    /// FNV-1a of the bytes of packed weights, by layout.
    const EXPECTED: [(&str, u64); 8] = [
        ("1 le 32 Bytes(Octets) Lanes 128", 0x4e01_336d_4f2c_fa5b),
        ("1 le 32 Bytes(Signed) Lanes 128", 0x1faa_9c65_06ab_e567),
        ("1 le 32 Bytes(Unsigned) Lanes 128", 0x80b6_887e_f444_bf67),
        ("1 le 32 F32 Lanes 384", 0x388e_2b44_7981_c010),
        ("1 le 32 Pairs Lanes 256", 0xd204_7ae5_69dd_878c),
        ("1 le 32 Pairs Lanes 384", 0xe5f1_1127_1df8_72c8),
        ("1 le 32 Pairs Lanes 768", 0xe5f1_1127_1df8_72c8),
        ("1 le 32 Pairs Quads 768", 0x25f6_90ed_a36f_737c),
    ];

    /// Stored panels would be read wrong if these bytes changed and [`LAYOUTS`] did not.
    #[test]
    fn layouts_have_the_bytes_of_their_number() {
        let (in_features, count) = (300, 2);
        let weight = numbers(in_features * 50, 1);
        let row = |panel: usize, lane: usize| {
            let row = panel * COLUMNS + lane;
            weight
                .get(row * in_features..(row + 1) * in_features)
                .unwrap_or_default()
        };
        let mut found = BTreeMap::new();
        for kernel in Kernel::of_every_layout() {
            let panels = Panels::new(kernel, in_features, &[&weight[..]], count, row);
            let PackedParts { panels, factors } = panels.parts();
            let factors: &[u8] = bytemuck::cast_slice(factors);
            let hash =
                |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            let bytes = panels.iter().chain(factors);
            found.insert(layout(&kernel), bytes.fold(0xcbf2_9ce4_8422_2325, hash));
        }
        let found: Vec<_> = found
            .iter()
            .map(|(name, hash)| (&name[..], *hash))
            .collect();
        assert_eq!(found, EXPECTED, "in hexadecimal: {found:#x?}");
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for kernel in Kernel::available(precision) {
                let layout = layout(&kernel);
                assert!(found.iter().any(|(name, _)| *name == layout), "{layout}");
            }
        }
    }
}
