use burn::module::{Module, Param};
use burn::tensor::{FloatDType, Tensor};

use crate::forward::LAYER_NORM_EPS;
use crate::fused;

/// Root-mean-square norm, computed in f32 and scaled in the type of the values (`Glm4vRMSNorm`).
#[derive(Module, Debug)]
pub(crate) struct RmsNorm {
    /// `[width]`
    pub(crate) weight: Param<Tensor<1>>,
    /// Added to the mean square
    pub(crate) eps: f64,
}

impl RmsNorm {
    /// x / √(mean(x²) + eps) · weight, over the last dimension.
    ///
    /// # Shapes
    /// - x, output: `[…, width]`
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if let Some(normed) = fused::rms_norm(&x, &self.weight.val(), self.eps) {
            return normed;
        }
        let dtype = x.dtype();
        let x = x.cast(FloatDType::F32);
        let scale = (x.clone().square().mean_dim(D - 1) + self.eps)
            .sqrt()
            .recip();
        (x * scale).cast(dtype) * self.weight.val().unsqueeze()
    }
}

/// Layer norm of each row, computed in f32 (torch's `LayerNorm`).
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    /// `[width]`
    pub(crate) weight: Param<Tensor<1>>,
    /// `[width]`
    pub(crate) bias: Param<Tensor<1>>,
}

impl LayerNorm {
    /// (x − mean(x)) / √(var(x) + 1e-5) · weight + bias, with the biased variance.
    ///
    /// # Shapes
    /// - x, output: `[rows, width]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let dtype = x.dtype();
        let x = x.cast(FloatDType::F32);
        let centred = x.clone() - x.mean_dim(1);
        let scale = (centred.clone().square().mean_dim(1) + LAYER_NORM_EPS)
            .sqrt()
            .recip();
        let weight = self.weight.val().cast(FloatDType::F32).unsqueeze();
        let bias = self.bias.val().cast(FloatDType::F32).unsqueeze();
        (centred * scale * weight + bias).cast(dtype)
    }
}
