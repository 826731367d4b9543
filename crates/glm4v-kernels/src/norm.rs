//! Norms over rows, in f32. Each row is read from memory once.

use rayon::prelude::*;

use crate::element::Element;
use crate::isa::{Isa, Job, mul_add};

/// Values of a task. Smaller tasks cost more to start than to run.
const TASK_VALUES: usize = 16 << 10;
/// Sums side by side. They are enough vectors of every instruction set to hide the latency of an addition.
const LANES: usize = 32;

/// Root-mean-square norm. A row has as many values as the weight.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm<'a> {
    /// `[width]`
    pub weight: &'a [f32],
    /// Added to the mean square
    pub eps: f32,
}

impl RmsNorm<'_> {
    /// out = x / √(mean(x²) + eps) · weight, rounded once.
    ///
    /// # Shapes
    /// - x, out: `[rows, width]`
    ///
    /// # Panics
    /// If the lengths differ, or are not whole rows.
    pub fn norm<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        self.norm_for(Isa::detected(), x, out);
    }

    fn norm_for<X: Element, Y: Element>(&self, isa: Isa, x: &[X], out: &mut [Y]) {
        let Some(width) = width(self.weight, [x.len(), out.len()]) else {
            return;
        };
        x.par_chunks_exact(width)
            .zip(out.par_chunks_exact_mut(width))
            .with_min_len(task_rows(width))
            .for_each(|(x, out)| isa.run(Norm { norm: self, x, out }));
    }

    /// Norms each of the first `heads` heads of every row in place. A head has as many values as the weight.
    ///
    /// # Shapes
    /// - rows: rows that begin `stride` values apart; the last one may end after its heads
    ///
    /// # Panics
    /// If a row is shorter than its heads.
    pub fn norm_heads<X: Element>(&self, rows: &mut [X], stride: usize, heads: usize) {
        self.norm_heads_for(Isa::detected(), rows, stride, heads);
    }

    fn norm_heads_for<X: Element>(&self, isa: Isa, rows: &mut [X], stride: usize, heads: usize) {
        let width = heads * self.weight.len();
        each_row(rows, stride, width, |_, row| {
            isa.run(NormHeads { norm: self, row });
        });
    }
}

/// Layer norm with the biased variance. A row has as many values as the weight.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// `[width]`
    pub weight: &'a [f32],
    /// `[width]`
    pub bias: &'a [f32],
    /// Added to the variance
    pub eps: f32,
}

impl LayerNorm<'_> {
    /// out = (x − mean(x)) / √(var(x) + eps) · weight + bias, rounded once.
    ///
    /// # Shapes
    /// - x, out: `[rows, width]`
    ///
    /// # Panics
    /// If the lengths differ, or are not whole rows.
    pub fn norm<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        self.norm_for(Isa::detected(), x, out);
    }

    fn norm_for<X: Element, Y: Element>(&self, isa: Isa, x: &[X], out: &mut [Y]) {
        let (weight, bias) = (self.weight.len(), self.bias.len());
        assert_eq!(weight, bias, "a weight of {weight} and a bias of {bias}");
        let Some(width) = width(self.weight, [x.len(), out.len()]) else {
            return;
        };
        x.par_chunks_exact(width)
            .zip(out.par_chunks_exact_mut(width))
            .with_min_len(task_rows(width))
            .for_each(|(x, out)| isa.run(Centre { norm: self, x, out }));
    }
}

/// The width of the rows, or `None` if there are no values.
fn width<const N: usize>(weight: &[f32], lengths: [usize; N]) -> Option<usize> {
    let width = weight.len();
    let alike = lengths.iter().all(|length| *length == lengths[0]);
    assert!(
        alike && (lengths[0] == 0 || width > 0 && lengths[0].is_multiple_of(width)),
        "{lengths:?} values are not all [rows, {width}]"
    );
    (lengths[0] > 0).then_some(width)
}

fn task_rows(width: usize) -> usize {
    TASK_VALUES.div_ceil(width.max(1))
}

/// Calls `each` with the index and the first `width` values of each row.
pub(crate) fn each_row<X: Element>(
    rows: &mut [X],
    stride: usize,
    width: usize,
    each: impl Fn(usize, &mut [X]) + Sync,
) {
    if rows.is_empty() || width == 0 {
        return;
    }
    let last = (rows.len() - 1) % stride.max(1) + 1;
    assert!(
        width <= stride && width <= last,
        "rows of {width} do not fit rows {stride} apart, the last of {last}"
    );
    rows.par_chunks_mut(stride)
        .with_min_len(task_rows(width))
        .enumerate()
        .for_each(|(index, row)| each(index, &mut row[..width]));
}

struct Norm<'a, X, Y> {
    norm: &'a RmsNorm<'a>,
    x: &'a [X],
    out: &'a mut [Y],
}

impl<X: Element, Y: Element> Job for Norm<'_, X, Y> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let scale = self.norm.scale::<FUSED, X>(self.x);
        for ((out, x), weight) in self.out.iter_mut().zip(self.x).zip(self.norm.weight) {
            *out = Y::from_f32(x.to_f32() * scale * weight);
        }
    }
}

struct NormHeads<'a, X> {
    norm: &'a RmsNorm<'a>,
    row: &'a mut [X],
}

impl<X: Element> Job for NormHeads<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for head in self.row.chunks_exact_mut(self.norm.weight.len()) {
            let scale = self.norm.scale::<FUSED, X>(head);
            for (x, weight) in head.iter_mut().zip(self.norm.weight) {
                *x = X::from_f32(x.to_f32() * scale * weight);
            }
        }
    }
}

impl RmsNorm<'_> {
    #[inline(always)]
    fn scale<const FUSED: bool, X: Element>(&self, x: &[X]) -> f32 {
        let squares = sum(x, |sum, x| mul_add::<FUSED>(x, x, sum));
        (squares / x.len() as f32 + self.eps).sqrt().recip()
    }
}

struct Centre<'a, X, Y> {
    norm: &'a LayerNorm<'a>,
    x: &'a [X],
    out: &'a mut [Y],
}

impl<X: Element, Y: Element> Job for Centre<'_, X, Y> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let LayerNorm { weight, bias, eps } = *self.norm;
        let width = self.x.len() as f32;
        let mean = sum(self.x, |sum, x| sum + x) / width;
        let squares = sum(self.x, |sum, x| mul_add::<FUSED>(x - mean, x - mean, sum));
        let scale = (squares / width + eps).sqrt().recip();
        for (((out, x), weight), bias) in self.out.iter_mut().zip(self.x).zip(weight).zip(bias) {
            let centred = (x.to_f32() - mean) * scale;
            *out = Y::from_f32(mul_add::<FUSED>(centred, *weight, *bias));
        }
    }
}

/// Folds `x` in 32 lanes. The compiler must not split one sum into lanes by itself.
#[inline(always)]
fn sum<X: Element>(x: &[X], add: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        // A separate loop converts: in one loop with the sums, bf16 is not vectorised.
        let mut values = [0.0; LANES];
        for (value, x) in values.iter_mut().zip(chunk) {
            *value = x.to_f32();
        }
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = add(*lane, value);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = add(*lane, x.to_f32());
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::testing::{distance, numbers, rounded};

    const SIZES: [[usize; 2]; 6] = [[1, 1], [3, 7], [5, 33], [40, 128], [17, 1536], [2, 4099]];
    const EPS: f32 = 1e-5;

    fn rms_norm(x: &[f32], weight: &[f32]) -> Vec<f64> {
        let width = weight.len() as f64;
        let norm = |row: &[f32]| {
            let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
            let scale = (squares / width + f64::from(EPS)).sqrt().recip();
            let pairs = row.iter().zip(weight);
            pairs
                .map(|(&x, &w)| f64::from(x) * scale * f64::from(w))
                .collect::<Vec<_>>()
        };
        x.chunks_exact(weight.len()).flat_map(norm).collect()
    }

    #[test]
    fn rms_norms_are_those_of_a_loop() {
        for isa in Isa::available() {
            for [rows, width] in SIZES {
                let (x, weight) = (numbers(rows * width, 1), numbers(width, 2));
                let norm = RmsNorm {
                    weight: &weight,
                    eps: EPS,
                };
                let exact = rms_norm(&x, &weight);
                let mut out = vec![f32::NAN; x.len()];
                norm.norm_for(isa, &x, &mut out);
                let error = distance(&out, &exact);
                assert!(error < 2e-7, "{isa} [{rows}, {width}]: {error:e}");

                let mut of_rounded = vec![bf16::NAN; x.len()];
                norm.norm_for(isa, &x, &mut of_rounded);
                assert_eq!(of_rounded, rounded(&out), "{isa} [{rows}, {width}]");
            }
        }
    }

    #[test]
    fn heads_are_normed_separately_and_other_values_stay() {
        for isa in Isa::available() {
            let (heads, head_dim, stride, rows) = (3, 40, 200, 7);
            let mut x = numbers((rows - 1) * stride + heads * head_dim, 6);
            let before = x.clone();
            let weight = numbers(head_dim, 7);
            let norm = RmsNorm {
                weight: &weight,
                eps: EPS,
            };
            norm.norm_heads_for(isa, &mut x, stride, heads);
            for (found, before) in x.chunks(stride).zip(before.chunks(stride)) {
                let (found, rest) = found.split_at(heads * head_dim);
                let (before, rest_before) = before.split_at(heads * head_dim);
                assert_eq!(rest, rest_before);
                let error = distance(found, &rms_norm(before, &weight));
                assert!(error < 2e-7, "{isa}: {error:e}");
            }
        }
    }

    #[test]
    fn layer_norms_are_those_of_a_loop() {
        for isa in Isa::available() {
            for [rows, width] in SIZES {
                let x: Vec<f32> = numbers(rows * width, 8).iter().map(|x| x + 3.0).collect();
                let [weight, bias] = [9, 10].map(|seed| numbers(width, seed));
                let norm = LayerNorm {
                    weight: &weight,
                    bias: &bias,
                    eps: EPS,
                };
                let mut out = vec![f32::NAN; x.len()];
                norm.norm_for(isa, &x, &mut out);
                let exact = x.chunks_exact(width).flat_map(|row| {
                    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                    let mean = row.iter().sum::<f64>() / width as f64;
                    let variance =
                        row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                    let scale = (variance + f64::from(EPS)).sqrt().recip();
                    let affine = weight
                        .iter()
                        .zip(&bias)
                        .map(|(&w, &b)| (f64::from(w), f64::from(b)));
                    let pairs = row.into_iter().zip(affine);
                    pairs
                        .map(|(x, (weight, bias))| (x - mean) * scale * weight + bias)
                        .collect::<Vec<_>>()
                });
                let error = distance(&out, &exact.collect::<Vec<_>>());
                assert!(error < 1e-6, "{isa} [{rows}, {width}]: {error:e}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "[6, 4] values are not all [rows, 2]")]
    fn lengths_are_checked() {
        let norm = RmsNorm {
            weight: &[1.0; 2],
            eps: EPS,
        };
        norm.norm(&[0.0_f32; 6], &mut [0.0_f32; 4]);
    }
}
