//! Products of a tower that runs on the CPU, by kernels of our own. A weight is packed once, when it is loaded; rows go
//! between burn and the kernels without being copied, where nobody else holds them.

pub(crate) mod pass;
pub(crate) mod tail;

use std::ops::Range;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Device, Element, Tensor, TensorData};
use glm4v_config::HiddenAct;
use glm4v_kernels::{Activation, PackedGate, PackedWeight, Precision};
use half::bf16;

/// A weight on the host, to be packed for products there.
#[derive(Clone, Debug)]
pub struct HostWeight {
    /// f32 or bf16, in the checkpoint's shape.
    pub values: TensorData,
    /// What products with it are computed in.
    pub precision: Precision,
}

/// A packed linear map.
#[derive(Module, Debug)]
pub struct PackedLinear {
    #[module(skip)]
    weight: Arc<PackedWeight>,
}

/// The packed first half of a gated MLP: two products and the activation in one pass.
#[derive(Module, Debug)]
pub struct PackedGateUp {
    #[module(skip)]
    weight: Arc<PackedGate>,
}

impl PackedLinear {
    pub(crate) fn new(weight: &HostWeight, bias: Option<Tensor<1>>) -> Self {
        let (shape, precision) = (matrix(weight), weight.precision);
        let bias = bias.map(values);
        let bias = bias.as_deref();
        let packed = match weight.values.dtype() {
            DType::BF16 => PackedWeight::new(slice::<bf16>(weight), bias, shape, precision),
            _ => PackedWeight::new(slice::<f32>(weight), bias, shape, precision),
        };
        Self {
            weight: Arc::new(packed),
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.weight.inner()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.outer()
    }

    pub(crate) fn precision(&self) -> Precision {
        self.weight.precision()
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        by_rows(x, self.outputs(), |x, out| self.product(x, out))
    }

    pub(crate) fn product(&self, x: &[f32], out: &mut [f32]) {
        self.weight.product(x, out);
    }

    pub(crate) fn product_columns(&self, x: &[f32], columns: Range<usize>, out: &mut [f32]) {
        self.weight.product_columns(x, columns, out);
    }

    pub(crate) fn add_product(&self, x: &[f32], out: &mut [f32]) {
        self.weight.add_product(x, out);
    }
}

impl PackedGateUp {
    pub(crate) fn new(
        [gate, up]: [&HostWeight; 2],
        bias: Option<[Tensor<1>; 2]>,
        hidden_act: HiddenAct,
    ) -> Self {
        let (shape, precision) = (matrix(gate), gate.precision);
        let bias = bias.map(|bias| bias.map(values));
        let bias = bias.as_ref().map(|[gate, up]| [&gate[..], &up[..]]);
        let act = activation(hidden_act);
        let packed = match [gate, up].map(|weight| weight.values.dtype()) {
            [DType::BF16, DType::BF16] => {
                let (gate, up) = (slice::<bf16>(gate), slice(up));
                PackedGate::new(gate, up, bias, shape, precision, act)
            }
            [DType::F32, DType::F32] => {
                let (gate, up) = (slice::<f32>(gate), slice(up));
                PackedGate::new(gate, up, bias, shape, precision, act)
            }
            // A checkpoint may store them in different types.
            _ => {
                let [gate, up] =
                    [gate, up].map(|weight| weight.values.iter().collect::<Vec<f32>>());
                PackedGate::new(&gate[..], &up, bias, shape, precision, act)
            }
        };
        Self {
            weight: Arc::new(packed),
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.outer()
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        by_rows(x, self.outputs(), |x, out| self.product(x, out))
    }

    pub(crate) fn product(&self, x: &[f32], out: &mut [f32]) {
        self.weight.product(x, out);
    }
}

/// What `work` makes of the rows of `x`, `[rows, outer]`.
fn by_rows(x: Tensor<2>, outer: usize, work: impl FnOnce(&[f32], &mut [f32])) -> Tensor<2> {
    let (device, [rows, _]) = (x.device(), x.dims());
    let mut out = vec![0.0; rows * outer];
    work(&values(x), &mut out);
    tensor(out, [rows, outer], &device)
}

/// `x` after `work`, in place where nobody else holds it.
pub(crate) fn in_place<const D: usize>(x: Tensor<D>, work: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let (device, shape) = (x.device(), x.dims());
    let mut x = values(x);
    work(&mut x);
    tensor(x, shape, &device)
}

/// Values as a tensor, without a copy.
pub(crate) fn tensor<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let data = TensorData::new(values, shape);
    Tensor::from_data(data, (device, DType::F32))
}

/// A tensor's values, without a copy where nobody else holds it.
pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.try_into_vec_as::<f32>()
        .expect("a host device does not fail")
}

/// The checkpoint's shape as a matrix: all but the first dimension are one.
fn matrix(weight: &HostWeight) -> [usize; 2] {
    let outer = weight.values.shape()[0];
    [outer, weight.values.num_elements() / outer]
}

fn slice<E: Element>(weight: &HostWeight) -> &[E] {
    weight
        .values
        .as_slice()
        .expect("both weights are of one type")
}

fn activation(hidden_act: HiddenAct) -> Activation {
    match hidden_act {
        HiddenAct::Gelu => Activation::Gelu,
        HiddenAct::GeluPytorchTanh => Activation::GeluTanh,
        HiddenAct::QuickGelu => Activation::QuickGelu,
        HiddenAct::Relu => Activation::Relu,
        _ => Activation::Silu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_up_may_be_stored_in_different_types() {
        let weight = |seed: usize, is_bf16: bool| {
            // Exact in bf16.
            let values = (0..6 * 5).map(|index| ((index * seed) % 17) as f32 - 8.0);
            let values = TensorData::new(values.collect::<Vec<_>>(), [6, 5]);
            let precision = Precision::F32;
            match is_bf16 {
                true => HostWeight {
                    values: values.convert::<bf16>(),
                    precision,
                },
                false => HostWeight { values, precision },
            }
        };
        let x: Vec<f32> = (0..3 * 5).map(|index| index as f32 / 7.0 - 1.0).collect();
        let product = |[gate, up]: [bool; 2]| {
            let [gate, up] = [weight(3, gate), weight(5, up)];
            let mut out = vec![0.0; 3 * 6];
            PackedGateUp::new([&gate, &up], None, HiddenAct::Silu).product(&x, &mut out);
            out
        };
        let expected = product([false, false]);
        for types in [[true, false], [false, true], [true, true]] {
            assert_eq!(product(types), expected, "{types:?}");
        }
    }
}
