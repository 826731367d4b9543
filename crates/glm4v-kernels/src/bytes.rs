//! Numbers in eight bits: groups of values with one scale each, and how panels store them.
//!
//! A group is rotated before it is rounded: a Hadamard transform spreads an outlier over the whole group, so that it does not
//! take the precision of the other values. Rows and weights are rotated alike, which does not change their products.
//!
//! Before that, each value of a row is multiplied by a factor, and the weights of its column are divided by it. The factor is the
//! square root of the column's largest weight: outliers of rows meet small weights, and both are evened out halfway.
//!
//! No operation here depends on the instruction set, so packed panels have the same bits on every processor.

use rayon::prelude::*;

use crate::element::Element;
use crate::format::{Bytes, GROUP};
use crate::isa::Job;
use crate::math::ROUNDING;
use crate::pack::{quads, values_at};
use crate::transpose::{STEPS, transpose};

/// Products of two groups are divided by this: [`rotate`] makes each operand √128 times longer.
const LENGTH: f32 = GROUP as f32;
/// The largest integer. −128 is not used, so that the range is symmetric.
const LARGEST: f32 = 127.0;
/// Rows of weights that a task reads for [`Factors`].
const ROWS_AT_ONCE: usize = 64;
/// Groups without a larger value become zeros. The scale of smaller values has no reciprocal.
const SMALLEST: f32 = 1e-30;

/// Which operand of a product a panel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Rows,
    Weights,
}

/// A group in eight bits: a value is its integer times the scale.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) integers: [i8; GROUP],
    pub(crate) scale: f32,
}

impl Group {
    const ZERO: Self = Self {
        integers: [0; GROUP],
        scale: 0.0,
    };

    /// The group of the first values of `row`, each times its factor, padded with zeros. Its scale is NaN if a value is infinite
    /// or NaN.
    #[inline(always)]
    pub(crate) fn new<X: Element>(row: &[X], factors: &[f32]) -> Self {
        let x: [X; GROUP] = values_at(row, 0);
        let factors: [f32; GROUP] = values_at(factors, 0);
        let mut values = [0.0; GROUP];
        for ((value, x), factor) in values.iter_mut().zip(&x).zip(&factors) {
            *value = x.to_f32() * factor;
        }
        rotate(&mut values);
        // As integers, since those of infinity and NaN are larger than all others.
        let mut largest = 0;
        for value in &values {
            largest = largest.max((value.to_bits() & 0x7fff_ffff) as i32);
        }
        let largest = f32::from_bits(largest as u32);
        let (scale, inverse) = if !largest.is_finite() {
            (f32::NAN, 0.0)
        } else if largest < SMALLEST {
            (0.0, 0.0)
        } else {
            (largest / LARGEST, LARGEST / largest)
        };
        let mut integers = [0; GROUP];
        for (integer, value) in integers.iter_mut().zip(&values) {
            *integer = round(value * inverse);
        }
        Self { integers, scale }
    }

    /// Word `step` of the integers.
    #[inline(always)]
    fn word(&self, step: usize, bytes: Bytes) -> u32 {
        match bytes {
            Bytes::Shorts => {
                let [low, high] = [0, 1].map(|i| i16::from(self.integers[2 * step + i]));
                u32::from(low as u16) | u32::from(high as u16) << 16
            }
            Bytes::Signed | Bytes::SignedAndSum | Bytes::Octets | Bytes::Steps => self.four(step),
            Bytes::Unsigned => self.four(step) ^ 0x8080_8080,
        }
    }

    #[inline(always)]
    fn four(&self, step: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|i| self.integers[4 * step + i] as u8))
    }

    #[inline(always)]
    fn sum(&self) -> i32 {
        self.integers
            .iter()
            .map(|&integer| i32::from(integer))
            .sum()
    }
}

/// The factors of a row's values, and those of the weights: their reciprocals. Columns without a finite weight have 1.
#[derive(Default)]
pub(crate) struct Factors {
    pub(crate) rows: Vec<f32>,
    pub(crate) weights: Vec<f32>,
}

impl Factors {
    /// The factors of the columns of `weights`, matrices with `in_features` columns.
    pub(crate) fn new<X: Element>(weights: &[&[X]], in_features: usize) -> Self {
        let none = || vec![0.0_f32; in_features];
        let largest = weights
            .par_iter()
            .flat_map(|weight| weight.par_chunks(in_features.max(1) * ROWS_AT_ONCE))
            .fold(none, |largest, rows| {
                let rows = rows.chunks(in_features);
                rows.fold(largest, |largest, row| {
                    larger(largest, row.iter().map(|x| x.to_f32().abs()))
                })
            })
            .reduce(none, larger);
        let usual = |factor: f32| {
            if factor.is_normal() { factor } else { 1.0 }
        };
        let rows: Vec<f32> = largest.into_iter().map(|x| usual(x.sqrt())).collect();
        Self {
            weights: rows.iter().map(|factor| factor.recip()).collect(),
            rows,
        }
    }
}

fn larger(mut values: Vec<f32>, others: impl IntoIterator<Item = f32>) -> Vec<f32> {
    for (value, other) in values.iter_mut().zip(others) {
        if other > *value {
            *value = other;
        }
    }
    values
}

/// The nearest integer, and the even one halfway between two. `value` is at most 127, or NaN.
#[inline(always)]
fn round(value: f32) -> i8 {
    let bits = (value + ROUNDING).to_bits() as i32;
    bits.wrapping_sub(ROUNDING.to_bits() as i32) as i8
}

/// The Hadamard transform of a group, √128 times too long. Each pass adds and subtracts pairs and puts the results side by
/// side, so that all passes are alike and read and write whole vectors.
#[inline(always)]
fn rotate(values: &mut [f32; GROUP]) {
    const HALF: usize = GROUP / 2;
    for _ in 0..GROUP.ilog2() {
        let before = *values;
        let (first, second) = before.split_at(HALF);
        for (pair, (a, b)) in values
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(first.iter().zip(second))
        {
            *pair = [a + b, a - b];
        }
    }
}

/// Packs one group of rows as lanes: the words of the integers in the order of [`Bytes`], then the scales, then the sums if there
/// are any. An empty row is a lane of zeros.
pub(crate) struct BytePanel<'a, X, const LANES: usize> {
    pub(crate) rows: [&'a [X]; LANES],
    /// The factors of the values
    pub(crate) factors: &'a [f32],
    pub(crate) bytes: Bytes,
    pub(crate) operand: Operand,
    /// `LANES` words for each of a lane's words
    pub(crate) panel: &'a mut [u32],
}

impl<X: Element, const LANES: usize> Job for BytePanel<'_, X, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (panel, rest) = self.panel.as_chunks_mut::<LANES>();
        assert!(rest.is_empty(), "a panel of {LANES} lanes");
        let (integers, last) = panel.split_at_mut(self.bytes.steps());
        let mut groups = [Group::ZERO; LANES];
        for (group, row) in groups.iter_mut().zip(self.rows) {
            if !row.is_empty() {
                *group = Group::new(row, self.factors);
            }
        }
        write_integers(&groups, self.bytes, integers);
        let factor = match self.operand {
            Operand::Rows => 1.0,
            Operand::Weights => LENGTH.recip(),
        };
        if let Some(scales) = last.first_mut() {
            for (scale, group) in scales.iter_mut().zip(&groups) {
                *scale = (factor * group.scale).to_bits();
            }
        }
        if let Some(sums) = last.get_mut(1) {
            for (sum, group) in sums.iter_mut().zip(&groups) {
                *sum = (-128 * group.sum()) as u32;
            }
        }
    }
}

#[inline(always)]
fn write_integers<const LANES: usize>(
    groups: &[Group; LANES],
    bytes: Bytes,
    steps: &mut [[u32; LANES]],
) {
    for (block, steps) in steps.chunks_mut(STEPS).enumerate() {
        let mut words = [[0; STEPS]; LANES];
        for (words, group) in words.iter_mut().zip(groups) {
            for (step, word) in words.iter_mut().enumerate() {
                *word = group.word(block * STEPS + step, bytes);
            }
        }
        match bytes {
            Bytes::Octets => quads(&words, steps),
            Bytes::Steps => steps
                .as_flattened_mut()
                .copy_from_slice(words.as_flattened()),
            Bytes::Shorts | Bytes::Signed | Bytes::SignedAndSum | Bytes::Unsigned => {
                transpose(&words, steps);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::testing::numbers;

    #[test]
    fn the_rotation_is_a_hadamard_transform() {
        for place in [0, 1, 5, 64, 127] {
            let mut values = [0.0; GROUP];
            values[place] = 1.0;
            rotate(&mut values);
            for (row, value) in values.into_iter().enumerate() {
                let sign = (row & place).count_ones() % 2;
                assert_eq!(value, 1.0 - 2.0 * sign as f32, "{row}, {place}");
            }
        }
    }

    #[test]
    fn products_of_groups_are_those_of_their_values() {
        let [x, y] = [1, 2].map(|seed| numbers(GROUP, seed));
        let exact: f64 = x.iter().zip(&y).map(|(x, y)| f64::from(x * y)).sum();
        let [x, y] = [&x, &y].map(|values| Group::new(values, &[1.0; GROUP]));
        let pairs = x.integers.iter().zip(&y.integers);
        let sum: i32 = pairs.map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
        let found = f64::from(sum) * f64::from(x.scale * y.scale) / GROUP as f64;
        assert!((found - exact).abs() < 0.1, "{found}, {exact}");
    }

    /// One value is spread over the group without an error, whatever its size.
    #[test]
    fn the_largest_value_is_exact() {
        for value in [1.0, -3e-20, 2e30] {
            let group = Group::new(&[value], &[1.0]);
            assert!(group.integers.iter().all(|integer| integer.abs() == 127));
            assert!(((group.scale * 127.0 / value).abs() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn factors_even_out_rows_and_weights() {
        let weights = [
            4.0_f32,
            -0.25,
            0.0,
            f32::NAN,
            f32::INFINITY,
            1.0,
            0.25,
            0.0,
            1.0,
            1.0,
        ];
        let factors = Factors::new(&[&weights[..5], &weights[5..]], 5);
        assert_eq!(factors.rows, [2.0, 0.5, 1.0, 1.0, 1.0]);
        assert_eq!(factors.weights, [0.5, 2.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        let values = [0.5, 1.5, -0.5, -1.5, 2.49, 126.6, -127.0, 0.0];
        assert_eq!(values.map(round), [0, 2, 0, -2, 2, 127, -127, 0]);
    }

    #[test]
    fn values_that_have_no_scale_are_zero_or_stay_visible() {
        for zero in [0.0, -0.0, 1e-40] {
            let group = Group::new(&[zero; 3], &[1.0; 3]);
            assert_eq!((group.integers, group.scale), ([0; GROUP], 0.0));
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            assert!(
                Group::new(&[1.0, value, f32::MAX], &[1.0; 3])
                    .scale
                    .is_nan(),
                "{value}"
            );
        }
    }

    #[test]
    fn no_bit_depends_on_the_instruction_set() {
        let rows = numbers(12 * 100, 3);
        let packed = |isa: Isa, bytes: Bytes| {
            let mut panel = vec![0; 12 * bytes.words()];
            isa.run(BytePanel::<f32, 12> {
                rows: std::array::from_fn(|lane| &rows[lane * 100..][..100]),
                factors: &[0.7; 100],
                bytes,
                operand: Operand::Rows,
                panel: &mut panel,
            });
            panel
        };
        for bytes in [
            Bytes::Shorts,
            Bytes::Signed,
            Bytes::SignedAndSum,
            Bytes::Unsigned,
            Bytes::Octets,
            Bytes::Steps,
        ] {
            for isa in Isa::available() {
                assert!(
                    packed(isa, bytes) == packed(Isa::Portable, bytes),
                    "{isa} {bytes:?}"
                );
            }
        }
    }
}
