//! From row-major rows to panels.

use crate::element::Element;
use crate::isa::Job;
use crate::tile::Format;
use crate::turn::{STEPS, turn};

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
            turn(&words, panel);
        }
    }
}

/// `STEPS` words of `row` from word `start` on, zero past its end.
#[inline(always)]
fn words_at<X: Element>(row: &[X], start: usize, format: Format) -> [u32; STEPS] {
    let mut words = [0; STEPS];
    if format == Format::Pairs {
        let values: [X; 2 * STEPS] = values_at(row, 2 * start);
        for (word, values) in words.iter_mut().zip(values.as_chunks::<2>().0) {
            *word = pair(values[0], values[1]);
        }
    } else {
        let values: [X; STEPS] = values_at(row, start);
        for (word, value) in words.iter_mut().zip(values) {
            *word = word_of(value, format);
        }
    }
    words
}

/// A word of one value.
#[inline(always)]
fn word_of<X: Element>(value: X, format: Format) -> u32 {
    match format {
        Format::F32 => value.to_f32().to_bits(),
        _ => value.rounded_bits(),
    }
}

/// A word of two values.
#[inline(always)]
pub(crate) fn pair<X: Element>(first: X, second: X) -> u32 {
    (first.rounded_bits() >> 16) | second.rounded_bits()
}

#[inline(always)]
fn values_at<X: Element, const N: usize>(row: &[X], start: usize) -> [X; N] {
    let row = &row[start.min(row.len())..];
    if let Some(values) = row.first_chunk::<N>() {
        return *values;
    }
    let mut values = [X::default(); N];
    for (value, x) in values.iter_mut().zip(row) {
        *value = *x;
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
        let row = |index: usize| -> [X; LANES] {
            if index < self.rows {
                values_at(&self.values[index * self.stride..][..self.width], 0)
            } else {
                [X::default(); LANES]
            }
        };
        let (panel, rest) = self.panel.as_chunks_mut::<LANES>();
        assert!(rest.is_empty(), "a panel of {LANES} lanes");
        for (step, words) in panel.iter_mut().enumerate() {
            if self.format == Format::Pairs {
                let (first, second) = (row(2 * step), row(2 * step + 1));
                for (lane, word) in words.iter_mut().enumerate() {
                    *word = pair(first[lane], second[lane]);
                }
            } else {
                for (word, value) in words.iter_mut().zip(row(step)) {
                    *word = word_of(value, self.format);
                }
            }
        }
    }
}
