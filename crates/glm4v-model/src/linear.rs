use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::host::{HostWeight, PackedLinear};
use crate::join;
use crate::source::{ParameterSource, Scope};

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
    /// `[out, in]`, in parts of whole rows
    pub parts: Vec<Param<Tensor<2>>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
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
            parts: parts.into_iter().map(Param::from_tensor).collect(),
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
            Self::Device(weight) => weight.parts[0].dims()[1],
            Self::Host(weight) => weight.inputs(),
        }
    }
}

impl Weight {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let product = |part: &Param<Tensor<2>>| x.clone().matmul(part.val().transpose());
        let product = join(self.parts.iter().map(product).collect(), 1);
        match &self.bias {
            Some(bias) => product + bias.val().unsqueeze(),
            None => product,
        }
    }
}
