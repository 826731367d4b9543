use burn::module::{Module, Param};
use burn::tensor::{FloatDType, Tensor};

use crate::host;
use crate::source::{ParameterSource, Scope};

/// Epsilon of the merger's LayerNorm: torch's default, which no configuration changes.
const LAYER_NORM_EPS: f64 = 1e-5;

/// Root-mean-square norm, computed in f32 and scaled in the values' own type (`Glm4vRMSNorm`).
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
    /// Added to the mean square.
    pub eps: f64,
    #[module(skip)]
    on_host: bool,
}

impl RmsNorm {
    pub(crate) fn load<S: ParameterSource>(
        mut scope: Scope<'_, S>,
        eps: f64,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            on_host: scope.is_on_host(),
            weight: scope.param("weight")?,
            eps,
        })
    }

    /// x / √(mean(x²) + eps) · weight, over the last dimension.
    ///
    /// # Shapes
    /// - x, output: `[…, width]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.on_host {
            let width = x.dims()[D - 1];
            return host::in_place(x, |rows| self.norm_heads(rows, width, 1));
        }
        let dtype = x.dtype();
        let x = x.cast(FloatDType::F32);
        let scale = (x.clone().square().mean_dim(D - 1) + self.eps)
            .sqrt()
            .recip();
        (x * scale).cast(dtype) * self.weight.val().unsqueeze()
    }

    /// [`RmsNorm::forward`] on the host, from rows to rows.
    pub(crate) fn norm_rows(&self, x: &[f32], out: &mut [f32]) {
        let weight = host::values(self.weight.val());
        self.kernel(&weight).norm(x, out);
    }

    /// Norms the first `heads` heads of every row in place, on the host.
    pub(crate) fn norm_heads(&self, rows: &mut [f32], stride: usize, heads: usize) {
        let weight = host::values(self.weight.val());
        self.kernel(&weight).norm_heads(rows, stride, heads);
    }

    fn kernel<'a>(&self, weight: &'a [f32]) -> glm4v_kernels::RmsNorm<'a> {
        let eps = self.eps as f32;
        glm4v_kernels::RmsNorm { weight, eps }
    }
}

/// Layer norm over a row, computed in f32 (torch's `LayerNorm`).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
    /// `[width]`
    pub bias: Param<Tensor<1>>,
}

impl LayerNorm {
    pub(crate) fn load<S: ParameterSource>(mut scope: Scope<'_, S>) -> Result<Self, S::Error> {
        Ok(Self {
            weight: scope.param("weight")?,
            bias: scope.param("bias")?,
        })
    }

    /// [`LayerNorm::forward`] on the host, from rows to rows.
    pub(crate) fn norm_rows(&self, x: &[f32], out: &mut [f32]) {
        let norm = glm4v_kernels::LayerNorm {
            weight: &host::values(self.weight.val()),
            bias: &host::values(self.bias.val()),
            eps: LAYER_NORM_EPS as f32,
        };
        norm.norm(x, out);
    }

    /// (x − mean(x)) / √(var(x) + 1e-5) · weight + bias, with the biased variance.
    ///
    /// # Shapes
    /// - x, output: `[rows, width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
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
