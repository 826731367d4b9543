//! The first half of a gated MLP: two products and an activation in one pass.

use std::fmt;

use crate::Precision;
use crate::activation::{Activation, gelu, gelu_tanh, quick_gelu, relu, silu};
use crate::disjoint::DisjointSlices;
use crate::element::Element;
use crate::isa::Job;
use crate::panels::{PackedParts, Panels};
use crate::product::{self, Sums};
use crate::shared::SharedBytes;
use crate::tile::{COLUMNS, Kernel};

/// Outputs of a panel: half its columns are gates, the other half are the values that they multiply.
const OUTPUTS: usize = COLUMNS / 2;

/// The gate and up weights of an MLP. They are packed so that one tile has both sums of an output.
pub struct PackedGate {
    panels: Panels,
    out_features: usize,
    bias: Option<Vec<f32>>,
    limit: f32,
    activation: Activation,
}

impl PackedGate {
    /// Bytes of two packed `[out_features, in_features]` matrices.
    #[must_use]
    pub fn bytes([out_features, in_features]: [usize; 2], precision: Precision) -> u64 {
        4 * Panels::words(precision, in_features, out_features.div_ceil(OUTPUTS))
    }

    /// Packs two row-major `[out_features, in_features]` matrices.
    ///
    /// # Panics
    /// If a weight does not have `out_features · in_features` values.
    #[must_use]
    pub fn new<W: Element>(
        gate: &[W],
        up: &[W],
        shape: [usize; 2],
        precision: Precision,
        activation: Activation,
    ) -> Self {
        let kernel = Kernel::for_weights(precision);
        Self::for_kernel(kernel, [gate, up], shape, activation)
    }

    /// Weights that were packed before, as [`PackedWeight::from_parts`](crate::PackedWeight::from_parts).
    #[must_use]
    pub fn from_parts(
        panels: SharedBytes,
        factors: Vec<f32>,
        [out_features, in_features]: [usize; 2],
        precision: Precision,
        activation: Activation,
    ) -> Option<Self> {
        let (kernel, count) = (
            Kernel::for_weights(precision),
            out_features.div_ceil(OUTPUTS),
        );
        Some(Self {
            panels: Panels::from_parts(kernel, in_features, count, panels, factors)?,
            out_features,
            bias: None,
            limit: f32::INFINITY,
            activation,
        })
    }

    /// The packed weights without the biases.
    #[must_use]
    pub fn parts(&self) -> PackedParts<'_> {
        self.panels.parts()
    }

    /// Adds the biases of gate and up, each `[out_features]`, to every product.
    ///
    /// # Panics
    /// If a bias does not have `out_features` values.
    #[must_use]
    pub fn with_biases(self, biases: [&[f32]; 2]) -> Self {
        Self {
            bias: Some(interleaved(biases, self.out_features)),
            ..self
        }
    }

    /// Limits every product before the activation: the gate to at most `limit`, the other factor to ±`limit`. NaN stays NaN.
    #[must_use]
    pub fn with_limit(self, limit: f32) -> Self {
        Self { limit, ..self }
    }

    fn for_kernel<W: Element>(
        kernel: Kernel,
        weights: [&[W]; 2],
        shape: [usize; 2],
        activation: Activation,
    ) -> Self {
        let [out_features, in_features] = shape;
        for (name, weight) in ["gate", "up"].into_iter().zip(weights) {
            let values = weight.len();
            assert_eq!(
                values,
                out_features * in_features,
                "the {name} weight of {shape:?} has {values} values"
            );
        }
        let count = out_features.div_ceil(OUTPUTS);
        let row = |panel: usize, lane: usize| match panel * OUTPUTS + lane % OUTPUTS {
            row if row < out_features => {
                &weights[lane / OUTPUTS][row * in_features..][..in_features]
            }
            _ => &[],
        };
        Self {
            panels: Panels::new(kernel, in_features, &weights, count, row),
            out_features,
            bias: None,
            limit: f32::INFINITY,
            activation,
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

    /// out = activation(x·gateᵀ + bias) · (x·upᵀ + bias), rounded once. Both factors are limited first.
    ///
    /// # Shapes
    /// - x: `[rows, in_features]`
    /// - out: `[rows, out_features]`
    ///
    /// # Panics
    /// If the lengths do not belong to one number of rows.
    pub fn product<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        let rows = product::rows(
            [x.len(), self.in_features()],
            [out.len(), self.out_features],
        );
        let out = &DisjointSlices::new(out);
        let columns = 0..self.panels.count;
        product::multiply(x, rows, &self.panels, columns, |sums| {
            self.panels.kernel.isa().run(Finish {
                sums,
                bias: self.bias.as_deref(),
                limit: self.limit,
                activation: self.activation,
                out,
                out_features: self.out_features,
            });
        });
    }
}

impl fmt::Debug for PackedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.out_features(), self.in_features()];
        write!(f, "PackedGate({shape:?}, {:?})", self.panels.precision())
    }
}

/// The biases in the order of the panels' columns, with zeros for columns that are padding.
fn interleaved(biases: [&[f32]; 2], out_features: usize) -> Vec<f32> {
    for bias in biases {
        let found = bias.len();
        assert_eq!(found, out_features, "a bias of {found} for {out_features}");
    }
    let at = |bias: &[f32], index: usize| bias.get(index).copied().unwrap_or_default();
    (0..out_features.div_ceil(OUTPUTS) * COLUMNS)
        .map(|column| {
            let (panel, lane) = (column / COLUMNS, column % COLUMNS);
            at(biases[lane / OUTPUTS], panel * OUTPUTS + lane % OUTPUTS)
        })
        .collect()
}

struct Finish<'a, Y> {
    sums: &'a Sums<'a>,
    bias: Option<&'a [f32]>,
    limit: f32,
    activation: Activation,
    out: &'a DisjointSlices<'a, Y>,
    out_features: usize,
}

impl<Y: Element> Job for Finish<'_, Y> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        match self.activation {
            Activation::Silu => self.finish(silu::<FUSED>),
            Activation::Gelu => self.finish(gelu::<FUSED>),
            Activation::GeluTanh => self.finish(gelu_tanh::<FUSED>),
            Activation::QuickGelu => self.finish(quick_gelu::<FUSED>),
            Activation::Relu => self.finish(relu),
        }
    }
}

impl<Y: Element> Finish<'_, Y> {
    #[allow(unsafe_code)]
    #[inline(always)]
    fn finish(&self, activate: impl Fn(f32) -> f32 + Copy) {
        let sums = self.sums;
        let columns = sums.panels.start * OUTPUTS..self.out_features.min(sums.panels.end * OUTPUTS);
        for row in sums.rows.clone() {
            let start = row * self.out_features;
            // SAFETY: no other task writes the rows and columns of these sums.
            let out = unsafe { self.out.slice(start + columns.start..start + columns.end) };
            let (whole, rest) = out.as_chunks_mut::<OUTPUTS>();
            let mut panels = sums.panels.clone();
            for (out, panel) in whole.iter_mut().zip(&mut panels) {
                *out = self.gated(row, panel, activate).map(Y::from_f32);
            }
            if let Some(panel) = panels.next() {
                let values = self.gated(row, panel, activate);
                for (out, value) in rest.iter_mut().zip(values) {
                    *out = Y::from_f32(value);
                }
            }
        }
    }

    /// The outputs of one row and column panel.
    #[inline(always)]
    fn gated(
        &self,
        row: usize,
        panel: usize,
        activate: impl Fn(f32) -> f32 + Copy,
    ) -> [f32; OUTPUTS] {
        let values = self.sums.biased(row, panel, self.bias);
        let mut gated = [0.0; OUTPUTS];
        for (lane, gated) in gated.iter_mut().enumerate() {
            let gate = at_most(values[lane], self.limit);
            let up = at_least(values[OUTPUTS + lane], -self.limit);
            *gated = activate(gate) * at_most(up, self.limit);
        }
        gated
    }
}

/// NaN stays NaN, as in torch's `clamp`. `f32::min` would replace it.
#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

#[inline(always)]
fn at_least(x: f32, limit: f32) -> f32 {
    if x < limit { limit } else { x }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::bytes::Factors;
    use crate::testing::{distance, numbers, product, product_of_integers, rounded, seen, widened};

    const SIZES: [[usize; 3]; 6] = [
        [1, 1, 1],
        [5, 33, 15],
        [12, 256, 16],
        [13, 600, 17],
        [150, 31, 130],
        [29, 257, 64],
    ];

    /// In standard deviations of the sums. Half a deviation limits most of them, and 1.5 deviations some.
    const LIMITS: [f32; 3] = [f32::INFINITY, 1.5, 0.5];

    fn exact(
        x: &[f32],
        weights: [&[f32]; 2],
        bias: [&[f32]; 2],
        shape: [usize; 2],
        limit: f64,
    ) -> Vec<f64> {
        let [gate, up] = weights.map(|weight| product(x, weight, shape));
        let outputs = gate.iter().zip(up).enumerate();
        let output = outputs.map(|(i, (gate, up))| {
            let [gate_bias, up_bias] = bias.map(|bias| f64::from(bias[i % shape[0]]));
            let gate = (gate + gate_bias).min(limit);
            gate / (1.0 + (-gate).exp()) * (up + up_bias).clamp(-limit, limit)
        });
        output.collect()
    }

    #[test]
    fn gated_products_are_those_of_loops() {
        for (precision, bound) in [(Precision::F32, 1e-6), (Precision::Bf16, 2e-6)] {
            for kernel in Kernel::available(precision) {
                for ([rows, in_features, out_features], limit) in sizes_and_limits() {
                    let x = numbers(rows * in_features, 1);
                    let weights = [2, 3].map(|seed| numbers(out_features * in_features, seed));
                    let [gate, up] = &weights;
                    let biases = [4, 5].map(|seed| numbers(out_features, seed));
                    let [gate_bias, up_bias] = &biases;
                    let bias = [gate_bias.as_slice(), up_bias];
                    let shape = [out_features, in_features];
                    let packed =
                        PackedGate::for_kernel(kernel, [gate, up], shape, Activation::Silu)
                            .with_biases(bias)
                            .with_limit(limit);
                    let bytes = PackedGate::bytes(shape, precision);
                    assert_eq!(bytes, packed.panels.num_bytes());
                    let mut out = vec![f32::NAN; rows * out_features];
                    packed.product(&x, &mut out);

                    let stored = |weight: &[f32]| match precision {
                        Precision::F32 => weight.to_vec(),
                        Precision::Bf16 => widened(&rounded(weight)),
                        Precision::Int8 => unreachable!("integers have a test of their own"),
                    };
                    let weights = [&stored(gate)[..], &stored(up)];
                    let exact = exact(&seen(kernel, &x), weights, bias, shape, limit.into());
                    let error = distance(&out, &exact);
                    assert!(
                        error < bound,
                        "{kernel:?} {rows}×{in_features}→{out_features}, limit {limit}: {error:e}"
                    );

                    let mut narrow = vec![bf16::NAN; out.len()];
                    packed.product(&x, &mut narrow);
                    assert_eq!(narrow, rounded(&out), "{kernel:?}, limit {limit}");
                }
            }
        }
    }

    #[test]
    fn gated_products_in_eight_bits_are_those_of_products() {
        for [rows, in_features, out_features] in SIZES {
            let x = numbers(rows * in_features, 1);
            let [gate, up] = [2, 3].map(|seed| numbers(out_features * in_features, seed));
            let shape = [out_features, in_features];
            let factors = Factors::new(&[&gate[..], &up], in_features);
            let [gates, ups] =
                [&gate, &up].map(|weight| product_of_integers(&x, weight, &factors, shape));
            let pairs = gates.into_iter().zip(ups);
            let expected: Vec<f64> = pairs
                .map(|(gate, up)| {
                    let gate = f64::from(gate);
                    gate / (1.0 + (-gate).exp()) * f64::from(up)
                })
                .collect();
            for kernel in Kernel::available(Precision::Int8) {
                let packed = PackedGate::for_kernel(kernel, [&gate, &up], shape, Activation::Silu);
                let bytes = PackedGate::bytes(shape, Precision::Int8);
                assert_eq!(bytes, packed.panels.num_bytes());
                let mut out = vec![f32::NAN; rows * out_features];
                packed.product(&x, &mut out);
                let error = distance(&out, &expected);
                assert!(
                    error < 1e-6,
                    "{kernel:?} {rows}×{in_features}→{out_features}: {error:e}"
                );
            }
        }
    }

    fn sizes_and_limits() -> impl Iterator<Item = ([usize; 3], f32)> {
        let deviation = |[_, in_features, _]: [usize; 3]| (in_features as f32).sqrt() / 3.0;
        let with_limits = move |size| LIMITS.map(|limit| (size, limit * deviation(size)));
        SIZES.into_iter().flat_map(with_limits)
    }

    /// Values of torch 2.15: `silu(gate.clamp(max=2)) * up.clamp(-2, 2)`, with one input feature and weights of 1.
    #[test]
    fn limits_are_the_references() {
        const SILU_OF_2: f32 = 1.761_594_2;
        const SILU_OF_MINUS_3: f32 = -0.142_277_62;
        for (gate, up, expected) in [
            (3.0, 5.0, 2.0 * SILU_OF_2),
            (3.0, -5.0, -2.0 * SILU_OF_2),
            (-3.0, 5.0, 2.0 * SILU_OF_MINUS_3),
            (-3.0, -1.0, -SILU_OF_MINUS_3),
            (f32::INFINITY, f32::NEG_INFINITY, -2.0 * SILU_OF_2),
            (f32::NEG_INFINITY, 1.0, f32::NAN),
            (f32::NAN, 1.0, f32::NAN),
            (1.0, f32::NAN, f32::NAN),
        ] {
            for kernel in Kernel::available(Precision::F32) {
                let packed =
                    PackedGate::for_kernel(kernel, [&[gate], &[up]], [1, 1], Activation::Silu)
                        .with_limit(2.0);
                let mut out = [0.0_f32];
                packed.product(&[1.0_f32], &mut out);
                let is_close = (out[0] - expected).abs() < 1e-6;
                assert!(
                    is_close || expected.is_nan() && out[0].is_nan(),
                    "{kernel:?} {gate} {up}: {}, expected {expected}",
                    out[0]
                );
            }
        }
    }

    #[test]
    fn each_activation_gates() {
        for (activation, expected) in [
            (Activation::Silu, 1.761_594_2),
            (Activation::Gelu, 1.954_499_7),
            (Activation::GeluTanh, 1.954_597_7),
            (Activation::QuickGelu, 1.935_658_6),
            (Activation::Relu, 2.0),
        ] {
            for kernel in Kernel::available(Precision::F32) {
                let (gate, up) = ([2.0_f32], [3.0_f32]);
                let packed = PackedGate::for_kernel(kernel, [&gate, &up], [1, 1], activation);
                let mut out = [0.0_f32];
                packed.product(&[1.0_f32], &mut out);
                assert!(
                    (out[0] - 3.0 * expected).abs() < 2e-6,
                    "{kernel:?} {activation:?}: {}",
                    out[0]
                );
            }
        }
    }
}
