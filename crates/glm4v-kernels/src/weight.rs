//! Packed weights and their products.

use std::fmt;
use std::ops::Range;

use crate::Precision;
use crate::disjoint::DisjointSlices;
use crate::element::Element;
use crate::isa::Job;
use crate::panels::{PackedParts, Panels};
use crate::product::{self, Sums};
use crate::shared::SharedBytes;
use crate::tile::{COLUMNS, Kernel};

/// The weights of a linear map, packed once for all products.
pub struct PackedWeight {
    panels: Panels,
    out_features: usize,
    bias: Option<Vec<f32>>,
}

impl PackedWeight {
    /// Bytes of a packed `[out_features, in_features]` matrix.
    #[must_use]
    pub fn bytes([out_features, in_features]: [usize; 2], precision: Precision) -> u64 {
        4 * Panels::words(precision, in_features, out_features.div_ceil(COLUMNS))
    }

    /// Packs a row-major `[out_features, in_features]` matrix, the layout of checkpoints.
    ///
    /// # Panics
    /// If `weight` does not have `out_features · in_features` values.
    #[must_use]
    pub fn new<W: Element>(weight: &[W], shape: [usize; 2], precision: Precision) -> Self {
        let kernel = Kernel::for_weights(precision);
        Self::for_kernel(kernel, weight, shape)
    }

    /// Weights that were packed before, on a processor with the same [`packed_layout`](crate::packed_layout). Nothing if the parts
    /// do not have the lengths of these weights, or the panels are not aligned to four bytes.
    #[must_use]
    pub fn from_parts(
        panels: SharedBytes,
        factors: Vec<f32>,
        [out_features, in_features]: [usize; 2],
        precision: Precision,
    ) -> Option<Self> {
        let (kernel, count) = (
            Kernel::for_weights(precision),
            out_features.div_ceil(COLUMNS),
        );
        Some(Self {
            panels: Panels::from_parts(kernel, in_features, count, panels, factors)?,
            out_features,
            bias: None,
        })
    }

    /// The packed weights without the bias.
    #[must_use]
    pub fn parts(&self) -> PackedParts<'_> {
        self.panels.parts()
    }

    /// Adds `bias`, `[out_features]`, to every product.
    ///
    /// # Panics
    /// If `bias` does not have `out_features` values.
    #[must_use]
    pub fn with_bias(self, bias: &[f32]) -> Self {
        let (found, expected) = (bias.len(), self.out_features);
        assert_eq!(found, expected, "a bias of {found} for {expected}");
        Self {
            bias: Some(padded(bias, self.panels.count * COLUMNS)),
            ..self
        }
    }

    fn for_kernel<W: Element>(kernel: Kernel, weight: &[W], shape: [usize; 2]) -> Self {
        let [out_features, in_features] = shape;
        let values = weight.len();
        assert_eq!(
            values,
            out_features * in_features,
            "a weight of {shape:?} has {values} values"
        );
        let row = |panel: usize, lane: usize| match panel * COLUMNS + lane {
            row if row < out_features => &weight[row * in_features..][..in_features],
            _ => &[],
        };
        let count = out_features.div_ceil(COLUMNS);
        Self {
            panels: Panels::new(kernel, in_features, &[weight], count, row),
            out_features,
            bias: None,
        }
    }

    /// Values of an input row.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.panels.in_features
    }

    /// Values of an output row.
    #[must_use]
    pub fn out_features(&self) -> usize {
        self.out_features
    }

    /// The precision of products.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.panels.precision()
    }

    /// out = x·Wᵀ + bias.
    ///
    /// # Shapes
    /// - x: `[rows, in_features]`
    /// - out: `[rows, out_features]`
    ///
    /// # Panics
    /// If the lengths do not belong to one number of rows.
    pub fn product<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        self.write(x, 0..self.out_features, out, false);
    }

    /// A range of columns of [`PackedWeight::product`].
    ///
    /// # Shapes
    /// - x: `[rows, in_features]`
    /// - out: `[rows, columns]`
    ///
    /// # Panics
    /// If the lengths do not belong to one number of rows, or there are no such columns.
    pub fn product_columns<X: Element, Y: Element>(
        &self,
        x: &[X],
        columns: Range<usize>,
        out: &mut [Y],
    ) {
        let count = self.out_features;
        assert!(columns.end <= count, "columns {columns:?} of {count}");
        self.write(x, columns, out, false);
    }

    /// out += x·Wᵀ + bias.
    ///
    /// # Shapes
    /// As [`PackedWeight::product`].
    ///
    /// # Panics
    /// As [`PackedWeight::product`].
    pub fn add_product<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        self.write(x, 0..self.out_features, out, true);
    }

    fn write<X: Element, Y: Element>(
        &self,
        x: &[X],
        columns: Range<usize>,
        out: &mut [Y],
        add: bool,
    ) {
        let rows = product::rows([x.len(), self.in_features()], [out.len(), columns.len()]);
        let out = &DisjointSlices::new(out);
        let panels = columns.start / COLUMNS..columns.end.div_ceil(COLUMNS);
        product::multiply(x, rows, &self.panels, panels, |sums| {
            self.panels.kernel.isa().run(Finish {
                sums,
                bias: self.bias.as_deref(),
                out,
                columns: columns.clone(),
                add,
            });
        });
    }
}

impl fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.out_features(), self.in_features()];
        write!(f, "PackedWeight({shape:?}, {:?})", self.precision())
    }
}

/// `bias` with zeros up to `length`.
fn padded(bias: &[f32], length: usize) -> Vec<f32> {
    let mut bias = bias.to_vec();
    bias.resize(length, 0.0);
    bias
}

struct Finish<'a, Y> {
    sums: &'a Sums<'a>,
    bias: Option<&'a [f32]>,
    out: &'a DisjointSlices<'a, Y>,
    /// The columns of the output
    columns: Range<usize>,
    /// Whether to add to the values of `out`
    add: bool,
}

impl<Y: Element> Job for Finish<'_, Y> {
    type Output = ();

    #[allow(unsafe_code)]
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let sums = self.sums;
        for row in sums.rows.clone() {
            let start = row * self.columns.len();
            for panel in sums.panels.clone() {
                let first = panel * COLUMNS;
                let own = first.max(self.columns.start)..self.columns.end.min(first + COLUMNS);
                let place = start + own.start - self.columns.start;
                // SAFETY: no other task writes the rows and columns of these sums.
                let out = unsafe { self.out.slice(place..place + own.len()) };
                let values = sums.biased(row, panel, self.bias);
                for (out, value) in out.iter_mut().zip(&values[own.start - first..]) {
                    let before = if self.add { out.to_f32() } else { 0.0 };
                    *out = Y::from_f32(before + value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use half::bf16;

    use super::*;
    use crate::bytes::Factors;
    use crate::format::{Format, GROUP};
    use crate::testing::{distance, numbers, product, product_of_integers, rounded, seen, widened};

    /// rows, in_features, out_features: on both sides of every boundary of a panel, block or task.
    const SIZES: [[usize; 3]; 13] = [
        [1, 1, 1],
        [1, 3, 33],
        [2, 255, 31],
        [11, 256, 32],
        [12, 257, 64],
        [13, 511, 65],
        [25, 512, 7],
        [29, 513, 96],
        [143, 40, 257],
        [145, 1027, 40],
        [100, 1665, 33],
        [300, 17, 300],
        [7, 1536, 129],
    ];

    #[test]
    fn products_in_f32_are_those_of_a_loop() {
        for kernel in Kernel::available(Precision::F32) {
            for [rows, in_features, out_features] in SIZES {
                let (x, weight) = (
                    numbers(rows * in_features, 1),
                    numbers(out_features * in_features, 2),
                );
                let packed = PackedWeight::for_kernel(kernel, &weight, [out_features, in_features]);
                let mut out = vec![f32::NAN; rows * out_features];
                packed.product(&x, &mut out);
                let bytes = PackedWeight::bytes([out_features, in_features], Precision::F32);
                assert_eq!(bytes, packed.panels.num_bytes());
                let error = distance(&out, &product(&x, &weight, [out_features, in_features]));
                let bound = 3e-8 * (in_features.min(384) as f64).sqrt() + 1e-7;
                assert!(
                    error < bound,
                    "{kernel:?} {rows}×{in_features}→{out_features}: {error:e}"
                );
            }
        }
    }

    #[test]
    fn products_in_bf16_are_those_of_rounded_weights() {
        for kernel in Kernel::available(Precision::Bf16) {
            for [rows, in_features, out_features] in SIZES {
                let (x, weight) = (
                    numbers(rows * in_features, 3),
                    numbers(out_features * in_features, 4),
                );
                let packed = PackedWeight::for_kernel(kernel, &weight, [out_features, in_features]);
                let mut out = vec![f32::NAN; rows * out_features];
                packed.product(&x, &mut out);
                let bytes = PackedWeight::bytes([out_features, in_features], Precision::Bf16);
                assert_eq!(bytes, packed.panels.num_bytes());
                let weight = widened(&rounded(&weight));
                let exact = product(&seen(kernel, &x), &weight, [out_features, in_features]);
                let error = distance(&out, &exact);
                assert!(
                    error < 1e-6,
                    "{kernel:?} {rows}×{in_features}→{out_features}: {error:e}"
                );
            }
        }
    }

    #[test]
    fn products_in_eight_bits_are_those_of_loops_over_integers() {
        for [rows, in_features, out_features] in SIZES {
            let (x, weight) = (
                numbers(rows * in_features, 3),
                numbers(out_features * in_features, 4),
            );
            let shape = [out_features, in_features];
            let factors = Factors::new(&[&weight[..]], in_features);
            let expected = product_of_integers(&x, &weight, &factors, shape);
            let error = distance(&expected, &product(&x, &weight, shape));
            assert!(
                error < 2e-2,
                "{rows}×{in_features}→{out_features}: {error:e}"
            );
            for kernel in Kernel::available(Precision::Int8) {
                let packed = PackedWeight::for_kernel(kernel, &weight, shape);
                let mut out = vec![f32::NAN; rows * out_features];
                packed.product(&x, &mut out);
                assert!(
                    out == expected,
                    "{kernel:?} {rows}×{in_features}→{out_features}"
                );
                let bytes = PackedWeight::bytes(shape, Precision::Int8);
                assert_eq!(bytes, packed.panels.num_bytes());
            }
        }
    }

    /// A value of 1000 leaves the precision of the others: without the rotation, its group would be rounded to multiples of 8.
    #[test]
    fn an_outlier_does_not_take_the_precision_of_others() {
        let shape @ [out_features, in_features] = [64, 256];
        let mut x = numbers(in_features, 1);
        let weight = numbers(out_features * in_features, 2);
        let mut out = vec![0.0; out_features];
        let packed = PackedWeight::new(&weight, shape, Precision::Int8);
        x[7] = 1000.0;
        packed.product(&x, &mut out);
        let error = distance(&out, &product(&x, &weight, shape));
        assert!(error < 1e-2, "{error:e}");
    }

    /// As where a norm has a large weight for some channels, and the next weights are small there: each product stays small.
    #[test]
    fn an_outlier_beside_small_weights_is_evened_out() {
        let shape @ [out_features, in_features] = [64, 256];
        let (mut x, mut weight) = (
            numbers(in_features, 1),
            numbers(out_features * in_features, 2),
        );
        let error = |x: &[f32], weight: &[f32]| {
            let mut out = vec![0.0; out_features];
            PackedWeight::new(weight, shape, Precision::Int8).product(x, &mut out);
            distance(&out, &product(x, weight, shape))
        };
        let without = error(&x, &weight);
        x[7] *= 60.0;
        weight
            .iter_mut()
            .skip(7)
            .step_by(in_features)
            .for_each(|w| *w /= 60.0);
        let with = error(&x, &weight);
        assert!(with < 1.5 * without, "{with:e}, {without:e} without");
    }

    #[test]
    fn rows_that_are_not_finite_stay_visible_and_separate() {
        let shape @ [out_features, in_features] = [33, 300];
        let weight = numbers(out_features * in_features, 2);
        for kernel in Kernel::available(Precision::Int8) {
            let packed = PackedWeight::for_kernel(kernel, &weight, shape);
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = numbers(3 * in_features, 1);
                x[in_features + 280] = value;
                x[2 * in_features..].fill(0.0);
                let mut out = vec![7.0; 3 * out_features];
                packed.product(&x, &mut out);
                let rows: [&[f32]; 3] =
                    std::array::from_fn(|row| &out[row * out_features..][..out_features]);
                assert!(rows[0].iter().all(|x| x.is_finite()), "{kernel:?} {value}");
                assert!(rows[1].iter().all(|x| x.is_nan()), "{kernel:?} {value}");
                assert!(rows[2].iter().all(|x| *x == 0.0), "{kernel:?} {value}");
            }
        }
    }

    #[test]
    fn rows_and_results_in_bf16_are_rounded_ones() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for kernel in Kernel::available(precision) {
                for [rows, in_features, out_features] in SIZES {
                    let x = rounded(&numbers(rows * in_features, 3));
                    let weight = numbers(out_features * in_features, 4);
                    let packed =
                        PackedWeight::for_kernel(kernel, &weight, [out_features, in_features]);
                    let mut out = vec![f32::NAN; rows * out_features];
                    packed.product(&widened(&x), &mut out);
                    let mut of_rounded = vec![bf16::NAN; rows * out_features];
                    packed.product(&x, &mut of_rounded);
                    assert_eq!(
                        of_rounded,
                        rounded(&out),
                        "{kernel:?} {rows}×{in_features}→{out_features}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_bit_depends_on_the_number_of_threads() {
        let [rows, in_features, out_features] = [150, 800, 300];
        let (x, weight) = (
            numbers(rows * in_features, 5),
            numbers(out_features * in_features, 6),
        );
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for kernel in Kernel::available(precision) {
                let packed = PackedWeight::for_kernel(kernel, &weight, [out_features, in_features]);
                let [one, others @ ..] = [1, 2, 3, 4, 5].map(|threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    let mut out = vec![f32::NAN; rows * out_features];
                    pool.expect("threads")
                        .install(|| packed.product(&x, &mut out));
                    out
                });
                assert!(others.iter().all(|other| *other == one), "{kernel:?}");
            }
        }
    }

    #[test]
    fn rows_may_be_longer_than_the_packed_rows_of_a_task() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for kernel in Kernel::available(precision) {
                let words = product::LEFT_WORDS / kernel.rows() + 1;
                let in_features = match kernel.left() {
                    Format::F32 => words,
                    Format::Pairs => 2 * words,
                    Format::Bytes(bytes) => GROUP * words.div_ceil(bytes.words()),
                };
                let x: Vec<_> = (0..in_features).map(|i| (i % 3) as f32).collect();
                let weight = vec![1.0_f32; in_features];
                let packed = PackedWeight::for_kernel(kernel, &weight, [1, in_features]);
                let mut out = [f32::NAN];
                packed.product(&x, &mut out);
                let (found, expected) = (out[0], x.iter().sum::<f32>());
                let error = match precision {
                    Precision::F32 | Precision::Bf16 => 0.0,
                    Precision::Int8 => 1e-2 * expected,
                };
                assert!(
                    (found - expected).abs() <= error,
                    "{kernel:?}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn the_bias_is_added() {
        for kernel in Kernel::available(Precision::Bf16) {
            let bias = [10.0, 20.0, 30.0];
            let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
            let packed = PackedWeight::for_kernel(kernel, &weight, [3, 2]).with_bias(&bias);
            let mut out = [0.0; 6];
            packed.product(&[1.0_f32, 0.0, 1.0, 1.0], &mut out);
            assert_eq!(out, [11.0, 23.0, 35.0, 13.0, 27.0, 41.0], "{kernel:?}");
        }
    }

    #[test]
    fn some_columns_are_those_of_the_whole_product() {
        let [rows, in_features, out_features] = [29, 40, 150];
        let (x, weight) = (
            numbers(rows * in_features, 7),
            numbers(out_features * in_features, 8),
        );
        let bias = numbers(out_features, 9);
        let packed = PackedWeight::new(&weight, [out_features, in_features], Precision::F32)
            .with_bias(&bias);
        let mut whole = vec![0.0; rows * out_features];
        packed.product(&x, &mut whole);
        for columns in [0..150, 0..1, 31..33, 32..96, 50..150, 149..150] {
            let mut some = vec![f32::NAN; rows * columns.len()];
            packed.product_columns(&x, columns.clone(), &mut some);
            let expected = whole
                .chunks(out_features)
                .flat_map(|row| &row[columns.clone()]);
            assert!(some.iter().eq(expected), "{columns:?}");
        }
    }

    #[test]
    fn a_product_is_added() {
        let [rows, in_features, out_features] = [13, 20, 70];
        let (x, weight) = (
            numbers(rows * in_features, 1),
            numbers(out_features * in_features, 2),
        );
        let packed = PackedWeight::new(&weight, [out_features, in_features], Precision::F32);
        let before = numbers(rows * out_features, 3);
        let (mut sum, mut product) = (before.clone(), vec![0.0; rows * out_features]);
        packed.add_product(&x, &mut sum);
        packed.product(&x, &mut product);
        let expected = before.iter().zip(&product).map(|(x, y)| x + y);
        assert!(sum.into_iter().eq(expected));
    }

    #[test]
    fn neither_rows_nor_in_features_are_required() {
        let packed = PackedWeight::new::<f32>(&[], [2, 0], Precision::F32).with_bias(&[1.0, 2.0]);
        let mut out = [0.0; 4];
        packed.product::<f32, f32>(&[], &mut out);
        assert_eq!(out, [1.0, 2.0, 1.0, 2.0]);
        packed.product::<f32, f32>(&[], &mut []);
    }

    #[test]
    fn stored_parts_have_the_bits_of_the_packed_weights() {
        let [rows, in_features, out_features] = [13, 300, 70];
        let (x, weight) = (
            numbers(rows * in_features, 1),
            numbers(out_features * in_features, 2),
        );
        let shape = [out_features, in_features];
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let packed = PackedWeight::new(&weight, shape, precision);
            let PackedParts { panels, factors } = packed.parts();
            let shared = |bytes: &[u8], start: usize| {
                let (words, _) = bytes.as_chunks();
                let words: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
                let end = 4 * words.len() - start;
                SharedBytes::new(Arc::new(Bytes(words)), start..end).unwrap()
            };
            let parts = |panels, factors: &[f32], shape| {
                PackedWeight::from_parts(panels, factors.to_vec(), shape, precision)
            };
            let stored = parts(shared(panels, 0), factors, shape).unwrap();
            let [mut expected, mut found] = [0.0, f32::NAN].map(|x| vec![x; rows * out_features]);
            packed.product(&x, &mut expected);
            stored.product(&x, &mut found);
            assert!(found == expected, "{precision:?}");

            let longer = [factors, &[1.0]].concat();
            assert!(parts(shared(panels, 0), &longer, shape).is_none());
            assert!(parts(shared(panels, 0), factors, [out_features, 600]).is_none());
            assert!(parts(shared(&panels[4..], 0), factors, shape).is_none());
            let misaligned = [&[0; 2][..], panels, &[0; 2]].concat();
            assert!(parts(shared(&misaligned, 2), factors, shape).is_none());
        }
    }

    struct Bytes(Vec<u32>);

    impl AsRef<[u8]> for Bytes {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }

    #[test]
    #[should_panic(
        expected = "an input of 3 values and an output of 4 are not [rows, 2] and [rows, 2]"
    )]
    fn lengths_are_checked() {
        let packed = PackedWeight::new(&[0.0_f32; 4], [2, 2], Precision::F32);
        packed.product(&[0.0_f32; 3], &mut [0.0_f32; 4]);
    }
}
