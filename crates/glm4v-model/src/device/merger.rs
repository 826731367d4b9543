use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::HiddenAct;

use super::{LayerNorm, Linear, Mlp};
use crate::activation::activate;

/// From downsampled rows to embeddings (`Glm4vVisionPatchMerger`).
#[derive(Module, Debug)]
pub(crate) struct Merger {
    /// out_hidden_size → out_hidden_size
    pub(crate) proj: Linear,
    /// Between `proj` and the exact GELU
    pub(crate) post_projection_norm: LayerNorm,
    /// `merger.gate_proj`, `merger.up_proj` and `merger.down_proj`
    pub(crate) mlp: Mlp,
}

impl Merger {
    /// # Shapes
    /// - x, output: `[tokens, out_hidden_size]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.post_projection_norm.forward(self.proj.forward(x));
        self.mlp.forward(activate(HiddenAct::Gelu, x))
    }
}
