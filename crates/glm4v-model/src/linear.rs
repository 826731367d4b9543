use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::source::{ParameterSource, Scope};

/// A linear map, stored as in the checkpoint.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    pub(crate) fn load<S: ParameterSource>(
        mut scope: Scope<'_, S>,
        bias: bool,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            weight: scope.param("weight")?,
            bias: bias.then(|| scope.param("bias")).transpose()?,
        })
    }

    /// A convolution whose kernel equals its stride: a linear map over the values under one kernel.
    pub(crate) fn load_convolution<const D: usize, S: ParameterSource>(
        mut scope: Scope<'_, S>,
    ) -> Result<Self, S::Error> {
        let kernel: Tensor<D> = scope.tensor("weight")?;
        Ok(Self {
            weight: Param::from_tensor(kernel.flatten(1, D - 1)),
            bias: Some(scope.param("bias")?),
        })
    }

    /// x·Wᵀ + b.
    ///
    /// # Shapes
    /// - x: `[rows, in]`
    /// - output: `[rows, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let product = x.matmul(self.weight.val().transpose());
        match &self.bias {
            Some(bias) => product + bias.val().unsqueeze(),
            None => product,
        }
    }
}
