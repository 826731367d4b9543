//! Weights packed at load, and their products.

use std::fmt;
use std::ops::Range;

use crate::element::Element;
use crate::isa::{Isa, Job};
use crate::panels::Panels;
use crate::parts::Parts;
use crate::product::{self, Sums};
use crate::tile::{COLUMNS, Kernel};

/// What a product is computed in; sums are f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Operands as they are.
    F32,
    /// Weights rounded to bf16, which halves them. Where the processor multiplies pairs of bf16 fast (AMX, or `VDPBF16PS` of
    /// AMD), rows are rounded as well, and subnormal numbers taken as zero; elsewhere rows are multiplied as they are, in
    /// f32.
    Bf16,
}

/// The weights of a linear map, packed for products with rows.
pub struct PackedWeight {
    panels: Panels,
    outer: usize,
    bias: Option<Vec<f32>>,
}

impl PackedWeight {
    /// Bytes that an `[outer, inner]` matrix takes once it is packed.
    #[must_use]
    pub fn bytes([outer, inner]: [usize; 2], precision: Precision) -> u64 {
        4 * Panels::words(precision, inner, outer.div_ceil(COLUMNS))
    }

    /// Packs a row-major `[outer, inner]` matrix, as checkpoints hold it, and the bias added to every product.
    ///
    /// # Panics
    /// If `weight` is not outer·inner values, or the bias not outer.
    #[must_use]
    pub fn new<W: Element>(
        weight: &[W],
        bias: Option<&[f32]>,
        [outer, inner]: [usize; 2],
        precision: Precision,
    ) -> Self {
        let kernel = Kernel::for_weights(precision, Isa::detected());
        Self::for_kernel(kernel, weight, bias, [outer, inner])
    }

    fn for_kernel<W: Element>(
        kernel: Kernel,
        weight: &[W],
        bias: Option<&[f32]>,
        [outer, inner]: [usize; 2],
    ) -> Self {
        assert_eq!(
            weight.len(),
            outer * inner,
            "a weight of [{outer}, {inner}] has {} values",
            weight.len()
        );
        if let Some(bias) = bias {
            assert_eq!(bias.len(), outer, "a bias of {} for {outer}", bias.len());
        }
        let count = outer.div_ceil(COLUMNS);
        let row = |panel: usize, lane: usize| match panel * COLUMNS + lane {
            row if row < outer => &weight[row * inner..][..inner],
            _ => &[],
        };
        Self {
            panels: Panels::new(kernel, inner, count, row),
            outer,
            bias: bias.map(|bias| padded(bias, count * COLUMNS)),
        }
    }

    /// Values of an input row.
    #[must_use]
    pub fn inner(&self) -> usize {
        self.panels.inner
    }

    /// Values of an output row.
    #[must_use]
    pub fn outer(&self) -> usize {
        self.outer
    }

    /// What products are computed in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.panels.precision()
    }

    /// out = x·Wᵀ + bias.
    ///
    /// # Shapes
    /// - x: `[rows, inner]`
    /// - out: `[rows, outer]`
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn product<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        self.write(x, 0..self.outer, out, false);
    }

    /// Some columns of [`PackedWeight::product`].
    ///
    /// # Shapes
    /// - x: `[rows, inner]`
    /// - out: `[rows, columns]`
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows, or there are no such columns.
    pub fn product_columns<X: Element, Y: Element>(
        &self,
        x: &[X],
        columns: Range<usize>,
        out: &mut [Y],
    ) {
        let outer = self.outer;
        assert!(columns.end <= outer, "columns {columns:?} of {outer}");
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
        self.write(x, 0..self.outer, out, true);
    }

    fn write<X: Element, Y: Element>(
        &self,
        x: &[X],
        columns: Range<usize>,
        out: &mut [Y],
        add: bool,
    ) {
        let rows = rows(x.len(), self.inner(), out.len(), columns.len());
        let out = &Parts::new(out);
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
        let shape = [self.outer(), self.inner()];
        write!(f, "PackedWeight({shape:?}, {:?})", self.precision())
    }
}

/// `bias` with zeros up to `length`.
fn padded(bias: &[f32], length: usize) -> Vec<f32> {
    let mut bias = bias.to_vec();
    bias.resize(length, 0.0);
    bias
}

/// The number of rows that an input and an output have.
pub(crate) fn rows(input: usize, inner: usize, output: usize, outer: usize) -> usize {
    let rows = output.checked_div(outer).unwrap_or(0);
    assert!(
        rows * outer == output && rows * inner == input,
        "an input of {input} values and an output of {output} are not [rows, {inner}] and [rows, {outer}]"
    );
    rows
}

struct Finish<'a, Y> {
    sums: &'a Sums<'a>,
    bias: Option<&'a [f32]>,
    out: &'a Parts<'a, Y>,
    /// Those that the output has
    columns: Range<usize>,
    /// To what is there
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
                // SAFETY: a task has the rows and columns of its sums to itself.
                let out = unsafe { self.out.part(place..place + own.len()) };
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
    use half::bf16;

    use super::*;
    use crate::testing::{distance, numbers, product, rounded, seen, widened};

    /// rows, inner, outer: on both sides of every panel, run and task boundary.
    const SIZES: [[usize; 3]; 12] = [
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
        [300, 17, 300],
        [7, 1536, 129],
    ];

    #[test]
    fn products_in_f32_are_those_of_a_loop() {
        for kernel in Kernel::available(Precision::F32) {
            for [rows, inner, outer] in SIZES {
                let (x, weight) = (numbers(rows * inner, 1), numbers(outer * inner, 2));
                let packed = PackedWeight::for_kernel(kernel, &weight, None, [outer, inner]);
                let mut out = vec![f32::NAN; rows * outer];
                packed.product(&x, &mut out);
                let bytes = PackedWeight::bytes([outer, inner], Precision::F32);
                assert_eq!(bytes, packed.panels.num_bytes());
                let error = distance(&out, &product(&x, &weight, [outer, inner]));
                let bound = 3e-8 * (inner.min(384) as f64).sqrt() + 1e-7;
                assert!(
                    error < bound,
                    "{kernel:?} {rows}×{inner}→{outer}: {error:e}"
                );
            }
        }
    }

    #[test]
    fn products_in_bf16_are_those_of_rounded_weights() {
        for kernel in Kernel::available(Precision::Bf16) {
            for [rows, inner, outer] in SIZES {
                let (x, weight) = (numbers(rows * inner, 3), numbers(outer * inner, 4));
                let packed = PackedWeight::for_kernel(kernel, &weight, None, [outer, inner]);
                let mut out = vec![f32::NAN; rows * outer];
                packed.product(&x, &mut out);
                let bytes = PackedWeight::bytes([outer, inner], Precision::Bf16);
                assert_eq!(bytes, packed.panels.num_bytes());
                let weight = widened(&rounded(&weight));
                let exact = product(&seen(kernel, &x), &weight, [outer, inner]);
                let error = distance(&out, &exact);
                assert!(error < 1e-6, "{kernel:?} {rows}×{inner}→{outer}: {error:e}");
            }
        }
    }

    #[test]
    fn rows_and_results_in_bf16_are_rounded_ones() {
        for precision in [Precision::F32, Precision::Bf16] {
            for kernel in Kernel::available(precision) {
                for [rows, inner, outer] in SIZES {
                    let x = rounded(&numbers(rows * inner, 3));
                    let weight = numbers(outer * inner, 4);
                    let packed = PackedWeight::for_kernel(kernel, &weight, None, [outer, inner]);
                    let mut out = vec![f32::NAN; rows * outer];
                    packed.product(&widened(&x), &mut out);
                    let mut of_rounded = vec![bf16::NAN; rows * outer];
                    packed.product(&x, &mut of_rounded);
                    assert_eq!(
                        of_rounded,
                        rounded(&out),
                        "{kernel:?} {rows}×{inner}→{outer}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_bit_depends_on_the_number_of_threads() {
        let [rows, inner, outer] = [300, 800, 700];
        let (x, weight) = (numbers(rows * inner, 5), numbers(outer * inner, 6));
        let packed = PackedWeight::new(&weight, None, [outer, inner], Precision::F32);
        let [one, five] = [1, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let mut out = vec![f32::NAN; rows * outer];
            pool.expect("threads")
                .install(|| packed.product(&x, &mut out));
            out
        });
        assert!(one == five);
    }

    #[test]
    fn the_bias_is_added() {
        for kernel in Kernel::available(Precision::Bf16) {
            let bias = [10.0, 20.0, 30.0];
            let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
            let packed = PackedWeight::for_kernel(kernel, &weight, Some(&bias), [3, 2]);
            let mut out = [0.0; 6];
            packed.product(&[1.0_f32, 0.0, 1.0, 1.0], &mut out);
            assert_eq!(out, [11.0, 23.0, 35.0, 13.0, 27.0, 41.0], "{kernel:?}");
        }
    }

    #[test]
    fn some_columns_are_those_of_the_whole_product() {
        let [rows, inner, outer] = [29, 40, 150];
        let (x, weight) = (numbers(rows * inner, 7), numbers(outer * inner, 8));
        let bias = numbers(outer, 9);
        let packed = PackedWeight::new(&weight, Some(&bias), [outer, inner], Precision::F32);
        let mut whole = vec![0.0; rows * outer];
        packed.product(&x, &mut whole);
        for columns in [0..150, 0..1, 31..33, 32..96, 50..150, 149..150] {
            let mut some = vec![f32::NAN; rows * columns.len()];
            packed.product_columns(&x, columns.clone(), &mut some);
            let expected = whole.chunks(outer).flat_map(|row| &row[columns.clone()]);
            assert!(some.iter().eq(expected), "{columns:?}");
        }
    }

    #[test]
    fn a_product_is_added() {
        let [rows, inner, outer] = [13, 20, 70];
        let (x, weight) = (numbers(rows * inner, 1), numbers(outer * inner, 2));
        let packed = PackedWeight::new(&weight, None, [outer, inner], Precision::F32);
        let before = numbers(rows * outer, 3);
        let (mut sum, mut product) = (before.clone(), vec![0.0; rows * outer]);
        packed.add_product(&x, &mut sum);
        packed.product(&x, &mut product);
        let expected = before.iter().zip(&product).map(|(x, y)| x + y);
        assert!(sum.into_iter().eq(expected));
    }

    #[test]
    fn no_rows_and_no_inner_values_are_products_too() {
        let packed = PackedWeight::new::<f32>(&[], Some(&[1.0, 2.0]), [2, 0], Precision::F32);
        let mut out = [0.0; 4];
        packed.product::<f32, f32>(&[], &mut out);
        assert_eq!(out, [1.0, 2.0, 1.0, 2.0]);
        packed.product::<f32, f32>(&[], &mut []);
    }

    #[test]
    #[should_panic(
        expected = "an input of 3 values and an output of 4 are not [rows, 2] and [rows, 2]"
    )]
    fn lengths_are_checked() {
        let packed = PackedWeight::new(&[0.0_f32; 4], None, [2, 2], Precision::F32);
        packed.product(&[0.0_f32; 3], &mut [0.0_f32; 4]);
    }
}
