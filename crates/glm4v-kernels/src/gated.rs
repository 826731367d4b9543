//! The gated half of an MLP: two products and an activation in one pass.

use std::fmt;

use crate::activation::{Activation, gelu, gelu_tanh, quick_gelu, relu, silu};
use crate::element::Element;
use crate::isa::{Isa, Job};
use crate::panels::Panels;
use crate::parts::Parts;
use crate::product::{self, Sums};
use crate::tile::{COLUMNS, Kernel};
use crate::weight::{Precision, rows};

/// Outputs of a panel: half its columns are gates, half are what they gate.
const OUTPUTS: usize = COLUMNS / 2;

/// The gate and up weights of an MLP, packed so that both sums of an output come out side by side.
pub struct PackedGate {
    panels: Panels,
    outer: usize,
    bias: Option<Vec<f32>>,
    activation: Activation,
}

impl PackedGate {
    /// Bytes that two `[outer, inner]` matrices take once they are packed.
    #[must_use]
    pub fn bytes([outer, inner]: [usize; 2], precision: Precision) -> u64 {
        4 * Panels::words(precision, inner, outer.div_ceil(OUTPUTS))
    }

    /// Packs two row-major `[outer, inner]` matrices and their biases.
    ///
    /// # Panics
    /// If a weight is not outer·inner values, or a bias not outer.
    #[must_use]
    pub fn new<W: Element>(
        gate: &[W],
        up: &[W],
        bias: Option<[&[f32]; 2]>,
        [outer, inner]: [usize; 2],
        precision: Precision,
        activation: Activation,
    ) -> Self {
        let kernel = Kernel::for_weights(precision, Isa::detected());
        Self::for_kernel(kernel, [gate, up], bias, [outer, inner], activation)
    }

    fn for_kernel<W: Element>(
        kernel: Kernel,
        weights: [&[W]; 2],
        bias: Option<[&[f32]; 2]>,
        [outer, inner]: [usize; 2],
        activation: Activation,
    ) -> Self {
        for (name, weight) in ["gate", "up"].into_iter().zip(weights) {
            let values = weight.len();
            assert_eq!(
                values,
                outer * inner,
                "the {name} weight of [{outer}, {inner}] has {values} values"
            );
        }
        let count = outer.div_ceil(OUTPUTS);
        let row = |panel: usize, lane: usize| match panel * OUTPUTS + lane % OUTPUTS {
            row if row < outer => &weights[lane / OUTPUTS][row * inner..][..inner],
            _ => &[],
        };
        Self {
            panels: Panels::new(kernel, inner, count, row),
            outer,
            bias: bias.map(|bias| interleaved(bias, outer)),
            activation,
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

    /// out = activation(x·gateᵀ + bias) · (x·upᵀ + bias), rounded once.
    ///
    /// # Shapes
    /// - x: `[rows, inner]`
    /// - out: `[rows, outer]`
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn product<X: Element, Y: Element>(&self, x: &[X], out: &mut [Y]) {
        let rows = rows(x.len(), self.inner(), out.len(), self.outer);
        let out = &Parts::new(out);
        let columns = 0..self.panels.count;
        product::multiply(x, rows, &self.panels, columns, |sums| {
            self.panels.kernel.isa().run(Finish {
                sums,
                bias: self.bias.as_deref(),
                activation: self.activation,
                out,
                outer: self.outer,
            });
        });
    }
}

impl fmt::Debug for PackedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.outer(), self.inner()];
        write!(f, "PackedGate({shape:?}, {:?})", self.panels.precision())
    }
}

/// The biases in the panels' order, zero where a panel has no output.
fn interleaved(bias: [&[f32]; 2], outer: usize) -> Vec<f32> {
    for bias in bias {
        assert_eq!(bias.len(), outer, "a bias of {} for {outer}", bias.len());
    }
    let at = |bias: &[f32], index: usize| bias.get(index).copied().unwrap_or_default();
    (0..outer.div_ceil(OUTPUTS) * COLUMNS)
        .map(|column| {
            let (panel, lane) = (column / COLUMNS, column % COLUMNS);
            at(bias[lane / OUTPUTS], panel * OUTPUTS + lane % OUTPUTS)
        })
        .collect()
}

struct Finish<'a, Y> {
    sums: &'a Sums<'a>,
    bias: Option<&'a [f32]>,
    activation: Activation,
    out: &'a Parts<'a, Y>,
    outer: usize,
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
        let columns = sums.panels.start * OUTPUTS..self.outer.min(sums.panels.end * OUTPUTS);
        for row in sums.rows.clone() {
            let start = row * self.outer;
            // SAFETY: a task has the rows and columns of its sums to itself.
            let out = unsafe { self.out.part(start + columns.start..start + columns.end) };
            for (panel, out) in sums.panels.clone().zip(out.chunks_mut(OUTPUTS)) {
                let values = sums.biased(row, panel, self.bias);
                let mut gated = [0.0; OUTPUTS];
                for (lane, gated) in gated.iter_mut().enumerate() {
                    *gated = activate(values[lane]) * values[OUTPUTS + lane];
                }
                for (out, value) in out.iter_mut().zip(gated) {
                    *out = Y::from_f32(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{distance, numbers, product, rounded, seen, widened};

    const SIZES: [[usize; 3]; 6] = [
        [1, 1, 1],
        [5, 33, 15],
        [12, 256, 16],
        [13, 600, 17],
        [150, 31, 130],
        [29, 257, 64],
    ];

    fn exact(x: &[f32], weights: [&[f32]; 2], bias: [&[f32]; 2], shape: [usize; 2]) -> Vec<f64> {
        let [gate, up] = weights.map(|weight| product(x, weight, shape));
        let outputs = gate.iter().zip(up).enumerate();
        let output = outputs.map(|(i, (gate, up))| {
            let [gate_bias, up_bias] = bias.map(|bias| f64::from(bias[i % shape[0]]));
            let gate = gate + gate_bias;
            gate / (1.0 + (-gate).exp()) * (up + up_bias)
        });
        output.collect()
    }

    #[test]
    fn gated_products_are_those_of_loops() {
        for (precision, bound) in [(Precision::F32, 1e-6), (Precision::Bf16, 2e-6)] {
            for kernel in Kernel::available(precision) {
                for [rows, inner, outer] in SIZES {
                    let x = numbers(rows * inner, 1);
                    let weights = [2, 3].map(|seed| numbers(outer * inner, seed));
                    let [gate, up] = &weights;
                    let biases = [4, 5].map(|seed| numbers(outer, seed));
                    let [gate_bias, up_bias] = &biases;
                    let bias = [gate_bias.as_slice(), up_bias];
                    let shape = [outer, inner];
                    let packed = PackedGate::for_kernel(
                        kernel,
                        [gate, up],
                        Some(bias),
                        shape,
                        Activation::Silu,
                    );
                    let bytes = PackedGate::bytes(shape, precision);
                    assert_eq!(bytes, packed.panels.num_bytes());
                    let mut out = vec![f32::NAN; rows * outer];
                    packed.product(&x, &mut out);

                    let held = |weight: &[f32]| match precision {
                        Precision::F32 => weight.to_vec(),
                        Precision::Bf16 => widened(&rounded(weight)),
                    };
                    let weights = [&held(gate)[..], &held(up)];
                    let exact = exact(&seen(kernel, &x), weights, bias, shape);
                    let error = distance(&out, &exact);
                    assert!(
                        error < bound,
                        "{kernel:?} {rows}×{inner}→{outer}: {error:e}"
                    );
                }
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
                let packed = PackedGate::for_kernel(kernel, [&gate, &up], None, [1, 1], activation);
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
