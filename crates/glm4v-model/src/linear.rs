use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::host::{HostWeight, PackedLinear};
use crate::join;
use crate::source::{ParameterSource, Scope};

/// Inputs that a device's kernels take at a time. A width that is no multiple takes a kernel of its own, which checks every
/// step and in a browser is a second to compile; only the patch projection has one.
pub(crate) const STEP: usize = 32;

/// A linear map.
#[derive(Module, Debug)]
pub enum Linear {
    /// Multiplied by the device.
    Device(Weight),
    /// Multiplied by the host's own kernels.
    Host(PackedLinear),
}

/// The parameters of a linear map, stored as in the checkpoint.
#[derive(Module, Debug)]
pub struct Weight {
    /// `[out, in]`, in parts of whole rows, each with zeros up to a multiple of 32
    pub parts: Vec<Param<Tensor<2>>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
    inputs: usize,
}

/// A convolution's kernel as the source gives it, `[out, …]`.
pub(crate) enum Kernel<const D: usize> {
    /// To be packed.
    Host(HostWeight),
    /// In parts of whole rows.
    Device(Vec<Tensor<D>>),
}

impl<const D: usize> Kernel<D> {
    pub(crate) fn load<S: ParameterSource>(scope: &mut Scope<'_, S>) -> Result<Self, S::Error> {
        Ok(match scope.host_weight("weight")? {
            Some(kernel) => Self::Host(kernel),
            None => Self::Device(scope.parts("weight")?),
        })
    }
}

impl Linear {
    /// x·weightᵀ + bias, in torch's layout: `[out, in]` and `[out]`; the weight in parts of whole rows.
    ///
    /// # Panics
    /// If there is no part.
    #[must_use]
    pub fn new(parts: Vec<Tensor<2>>, bias: Option<Tensor<1>>) -> Self {
        assert!(!parts.is_empty(), "a weight has at least one part");
        Self::Device(Weight {
            inputs: parts[0].dims()[1],
            parts: parts
                .into_iter()
                .map(|part| Param::from_tensor(in_steps(part)))
                .collect(),
            bias: bias.map(Param::from_tensor),
        })
    }

    pub(crate) fn load<S: ParameterSource>(
        mut scope: Scope<'_, S>,
        bias: bool,
    ) -> Result<Self, S::Error> {
        let bias = bias.then(|| scope.tensor("bias")).transpose()?;
        Ok(match scope.host_weight("weight")? {
            Some(weight) => Self::Host(PackedLinear::new(&weight, bias)),
            None => Self::new(scope.parts("weight")?, bias),
        })
    }

    /// A convolution whose kernel equals its stride: a linear map over the values under one kernel.
    pub(crate) fn convolution<const D: usize>(kernel: Kernel<D>, bias: Tensor<1>) -> Self {
        match kernel {
            Kernel::Host(kernel) => Self::Host(PackedLinear::new(&kernel, Some(bias))),
            Kernel::Device(parts) => {
                let parts = parts.into_iter().map(|part| part.flatten(1, D - 1));
                Self::new(parts.collect(), Some(bias))
            }
        }
    }

    /// x·Wᵀ + b.
    ///
    /// # Shapes
    /// - x: `[rows, in]`
    /// - output: `[rows, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Device(weight) => weight.forward(x),
            Self::Host(weight) => weight.forward(x),
        }
    }

    /// Values of an input row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::Device(weight) => weight.inputs,
            Self::Host(weight) => weight.inputs(),
        }
    }
}

impl Weight {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        // Of four dimensions like those of attention, whose kernels are then the same.
        let x: Tensor<4> = in_steps(x).unsqueeze();
        let product = |part: &Param<Tensor<2>>| {
            let weight = part.val().unsqueeze().transpose();
            x.clone().matmul(weight).squeeze_dims(&[0, 1])
        };
        let product = join(self.parts.iter().map(product).collect(), 1);
        match &self.bias {
            Some(bias) => product + bias.val().unsqueeze(),
            None => product,
        }
    }
}

/// Rows with zeros after them, up to whole steps: they add nothing to a product.
fn in_steps(rows: Tensor<2>) -> Tensor<2> {
    let [_, width] = rows.dims();
    match width.next_multiple_of(STEP) - width {
        0 => rows,
        missing => rows.pad((0, missing, 0, 0), 0.0),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    /// Of parts, with a bias, and of no whole number of steps.
    #[test]
    fn zeros_after_a_row_change_no_product() {
        let device = Device::flex();
        let random = |shape| Tensor::<2>::random(shape, Distribution::Default, &device);
        let (x, parts) = (random([3, 37]), [random([2, 37]), random([5, 37])]);
        let bias = random([1, 7]);
        let linear = Linear::new(parts.to_vec(), Some(bias.clone().flatten(0, 1)));
        assert_eq!(linear.inputs(), 37);
        let whole = Tensor::cat(parts.to_vec(), 0).transpose();
        let difference = linear.forward(x.clone()) - (x.matmul(whole) + bias);
        assert_eq!(difference.dims(), [3, 7]);
        for difference in difference.into_data().iter::<f32>() {
            assert!(difference.abs() < 1e-5, "{difference}");
        }
    }
}
