use crate::forward::LAYER_NORM_EPS;

/// Root-mean-square norm (`Glm4vRMSNorm`).
pub(crate) struct RmsNorm {
    /// `[width]`
    pub(crate) weight: Vec<f32>,
    /// Added to the mean square
    pub(crate) eps: f32,
}

impl RmsNorm {
    /// # Shapes
    /// - x, out: `[rows, width]`
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32]) {
        self.kernel().norm(x, out);
    }

    /// [`RmsNorm::forward`] in place.
    pub(crate) fn forward_in_place(&self, x: &mut [f32]) {
        self.forward_heads(x, self.weight.len(), 1);
    }

    /// Norms each of the first `heads` heads of every row in place.
    ///
    /// # Shapes
    /// - rows: `[rows, stride]`
    pub(crate) fn forward_heads(&self, rows: &mut [f32], stride: usize, heads: usize) {
        self.kernel().norm_heads(rows, stride, heads);
    }

    fn kernel(&self) -> glm4v_kernels::RmsNorm<'_> {
        glm4v_kernels::RmsNorm {
            weight: &self.weight,
            eps: self.eps,
        }
    }
}

/// Layer norm of each row (torch's `LayerNorm`).
pub(crate) struct LayerNorm {
    /// `[width]`
    pub(crate) weight: Vec<f32>,
    /// `[width]`
    pub(crate) bias: Vec<f32>,
}

impl LayerNorm {
    /// # Shapes
    /// - x, out: `[rows, width]`
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32]) {
        let norm = glm4v_kernels::LayerNorm {
            weight: &self.weight,
            bias: &self.bias,
            eps: LAYER_NORM_EPS as f32,
        };
        norm.norm(x, out);
    }
}
