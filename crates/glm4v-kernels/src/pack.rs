//! From row-major rows to panels.

use crate::element::{Element, bf16_bits};
use crate::isa::Job;
use crate::tile::Format;

/// Words of each lane that are turned at a time.
const STEPS: usize = 16;

/// Rows become lanes: value `i` of every row stands beside value `i` of the others. Rows are of one length, but for empty
/// ones, which are lanes of zeros.
pub(crate) struct Rows<'a, X, const LANES: usize> {
    pub(crate) rows: [&'a [X]; LANES],
    pub(crate) format: Format,
    /// `LANES` words for each of the format's words of a row
    pub(crate) panel: &'a mut [u32],
}

impl<X: Element, const LANES: usize> Job for Rows<'_, X, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (panel, rest) = self.panel.as_chunks_mut::<LANES>();
        assert!(rest.is_empty(), "a panel of {LANES} lanes");
        for (block, panel) in panel.chunks_mut(STEPS).enumerate() {
            let mut words = [[0; STEPS]; LANES];
            for (words, row) in words.iter_mut().zip(self.rows) {
                *words = words_at(row, block * STEPS, self.format);
            }
            for (step, panel) in panel.iter_mut().enumerate() {
                for (target, words) in panel.iter_mut().zip(&words) {
                    *target = words[step];
                }
            }
        }
    }
}

/// `STEPS` words of `row` from word `start` on, zero past its end.
#[inline(always)]
fn words_at<X: Element>(row: &[X], start: usize, format: Format) -> [u32; STEPS] {
    match format {
        Format::F32 => values_at::<X, STEPS>(row, start).map(f32::to_bits),
        Format::Widened => values_at::<X, STEPS>(row, start).map(bf16_bits),
        Format::Pairs => {
            let values: [f32; 2 * STEPS] = values_at(row, 2 * start);
            let bits = values.map(bf16_bits);
            std::array::from_fn(|i| pair(bits[2 * i], bits[2 * i + 1]))
        }
    }
}

/// A word of two values rounded by [`bf16_bits`].
#[inline(always)]
pub(crate) fn pair(first: u32, second: u32) -> u32 {
    (first >> 16) | second
}

#[inline(always)]
fn values_at<X: Element, const N: usize>(row: &[X], start: usize) -> [f32; N] {
    let row = &row[start.min(row.len())..];
    if let Some(values) = row.first_chunk::<N>() {
        return values.map(X::to_f32);
    }
    let mut values = [0.0; N];
    for (value, x) in values.iter_mut().zip(row) {
        *value = x.to_f32();
    }
    values
}

/// Columns become lanes: value `i` of every lane is row `i`'s.
pub(crate) struct Columns<'a, X, const LANES: usize> {
    /// From the first row's first column on
    pub(crate) values: &'a [X],
    /// From one row to the next
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    /// Columns that there are; the other lanes are zero
    pub(crate) width: usize,
    pub(crate) format: Format,
    /// `LANES` words for each of the format's words of `rows` values
    pub(crate) panel: &'a mut [u32],
}

impl<X: Element, const LANES: usize> Job for Columns<'_, X, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let row = |index: usize| -> [f32; LANES] {
            if index < self.rows {
                values_at(&self.values[index * self.stride..][..self.width], 0)
            } else {
                [0.0; LANES]
            }
        };
        let (panel, rest) = self.panel.as_chunks_mut::<LANES>();
        assert!(rest.is_empty(), "a panel of {LANES} lanes");
        for (step, words) in panel.iter_mut().enumerate() {
            match self.format {
                Format::F32 => *words = row(step).map(f32::to_bits),
                Format::Widened => *words = row(step).map(bf16_bits),
                Format::Pairs => {
                    let (first, second) = (row(2 * step), row(2 * step + 1));
                    for (lane, word) in words.iter_mut().enumerate() {
                        *word = pair(bf16_bits(first[lane]), bf16_bits(second[lane]));
                    }
                }
            }
        }
    }
}
