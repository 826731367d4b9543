//! Packs row-major rows into panels.

use crate::element::Element;
use crate::format::Format;
use crate::isa::Job;
use crate::transpose::{STEPS, transpose};

/// Packs rows as lanes: value `i` of a row is beside value `i` of the other rows. All rows have one length. An empty row is a lane
/// of zeros.
pub(crate) struct RowPanel<'a, X, const LANES: usize> {
    pub(crate) rows: [&'a [X]; LANES],
    pub(crate) format: Format,
    pub(crate) order: Order,
    /// `LANES` words for each of the format's words of a row
    pub(crate) panel: &'a mut [u32],
}

/// Which words of a panel are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The lanes of a step
    Lanes,
    /// Two steps of a lane, then the same two steps of the next lane: four values of bf16 for each lane
    Quads,
    /// The steps of a lane, in blocks of 16 steps
    Steps,
}

impl<X: Element, const LANES: usize> Job for RowPanel<'_, X, LANES> {
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
            match self.order {
                Order::Lanes => transpose(&words, panel),
                Order::Quads => quads(&words, panel),
                Order::Steps => panel
                    .as_flattened_mut()
                    .copy_from_slice(words.as_flattened()),
            }
        }
    }
}

/// Writes all steps of a panel, two steps of each lane side by side.
#[inline(always)]
pub(crate) fn quads<const LANES: usize>(block: &[[u32; STEPS]; LANES], panel: &mut [[u32; LANES]]) {
    for (index, two_steps) in panel.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let (quads, _) = two_steps.as_flattened_mut().as_chunks_mut::<2>();
        for (quad, lane) in quads.iter_mut().zip(block) {
            *quad = [lane[2 * index], lane[2 * index + 1]];
        }
    }
}

/// Writes two steps, the words of a lane side by side.
#[inline(always)]
pub(crate) fn interleave<T: Copy, const LANES: usize>(
    [first, second]: [[T; LANES]; 2],
    two_steps: &mut [[T; LANES]; 2],
) {
    let (quads, _) = two_steps.as_flattened_mut().as_chunks_mut::<2>();
    for (lane, quad) in quads.iter_mut().enumerate() {
        *quad = [first[lane], second[lane]];
    }
}

/// `STEPS` words of `row` from word `start` on, padded with zeros.
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
            *word = word_of(value);
        }
    }
    words
}

/// A word of one value.
#[inline(always)]
fn word_of<X: Element>(value: X) -> u32 {
    value.to_f32().to_bits()
}

/// A word of two values.
#[inline(always)]
pub(crate) fn pair<X: Element>(first: X, second: X) -> u32 {
    (first.rounded_bits() >> 16) | second.rounded_bits()
}

#[inline(always)]
pub(crate) fn values_at<X: Element, const N: usize>(row: &[X], start: usize) -> [X; N] {
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

/// A range of columns.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a, X> {
    /// The values from the first row's first column on
    pub(crate) values: &'a [X],
    /// Values from one row to the next
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

impl<X: Element> Columns<'_, X> {
    /// Row `index`, or zeros past the last row.
    #[inline(always)]
    fn row<const LANES: usize>(&self, index: usize) -> [X; LANES] {
        if index < self.rows {
            values_at(&self.values[index * self.stride..][..self.width], 0)
        } else {
            [X::default(); LANES]
        }
    }
}

/// Packs columns as lanes: value `i` of every lane comes from row `i`. Lanes past the width are zero.
pub(crate) struct ColumnPanel<'a, X, const LANES: usize> {
    pub(crate) columns: Columns<'a, X>,
    pub(crate) format: Format,
    pub(crate) order: Order,
    /// `LANES` words for each of the format's words of a column
    pub(crate) panel: &'a mut [u32],
}

impl<X: Element, const LANES: usize> Job for ColumnPanel<'_, X, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self {
            columns, format, ..
        } = self;
        let (panel, rest) = self.panel.as_chunks_mut::<LANES>();
        assert!(rest.is_empty(), "a panel of {LANES} lanes");
        let step = |index| step::<X, LANES>(columns, index, format);
        match self.order {
            Order::Lanes => {
                for (index, words) in panel.iter_mut().enumerate() {
                    *words = step(index);
                }
            }
            Order::Quads => {
                for (index, two_steps) in panel.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    interleave([step(2 * index), step(2 * index + 1)], two_steps);
                }
            }
            Order::Steps => {
                for (block, panel) in panel.chunks_mut(STEPS).enumerate() {
                    let steps = std::array::from_fn(|index| step(block * STEPS + index));
                    transpose_back(&steps, panel.as_flattened_mut());
                }
            }
        }
    }
}

/// The words of a step.
#[inline(always)]
fn step<X: Element, const LANES: usize>(
    columns: Columns<'_, X>,
    index: usize,
    format: Format,
) -> [u32; LANES] {
    match format {
        Format::F32 => columns.row(index).map(word_of),
        Format::Pairs => {
            let first: [X; LANES] = columns.row(2 * index);
            let second: [X; LANES] = columns.row(2 * index + 1);
            std::array::from_fn(|lane| pair(first[lane], second[lane]))
        }
        Format::Bytes(_) => unreachable!("integers are packed by rows"),
    }
}

/// lanes\[lane]\[step] = steps\[step]\[lane], in squares of 16.
#[inline(always)]
fn transpose_back<const LANES: usize>(steps: &[[u32; LANES]; STEPS], lanes: &mut [u32]) {
    let (lanes, _) = lanes.as_chunks_mut::<STEPS>();
    for (first, lanes) in (0..LANES).step_by(STEPS).zip(lanes.chunks_mut(STEPS)) {
        let words = |step: usize| std::array::from_fn(|lane| steps[step][first + lane]);
        let square: [[u32; STEPS]; STEPS] = std::array::from_fn(words);
        transpose(&square, lanes);
    }
}
