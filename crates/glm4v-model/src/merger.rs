use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::{HiddenAct, VisionConfig};

use crate::host;
use crate::mlp::activate;
use crate::source::{ParameterSource, Scope};
use crate::{LayerNorm, Linear, Mlp};

/// From downsampled rows to embeddings (`Glm4vVisionPatchMerger`).
#[derive(Module, Debug)]
pub struct Merger {
    /// out_hidden_size → out_hidden_size
    pub proj: Linear,
    /// Between `proj` and the exact GELU
    pub post_projection_norm: LayerNorm,
    /// `merger.gate_proj`, `merger.up_proj` and `merger.down_proj`
    pub mlp: Mlp,
}

impl Merger {
    pub(crate) fn load<S: ParameterSource>(
        config: &VisionConfig,
        mut scope: Scope<'_, S>,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            proj: Linear::load(scope.child("proj"), false)?,
            post_projection_norm: LayerNorm::load(scope.child("post_projection_norm"))?,
            mlp: Mlp::load(config, scope, false)?,
        })
    }

    /// # Shapes
    /// - x, output: `[tokens, out_hidden_size]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if let Linear::Host(_) = self.proj {
            return host::tail::merge(self, x);
        }
        let x = self.post_projection_norm.forward(self.proj.forward(x));
        self.mlp.forward(activate(HiddenAct::Gelu, x))
    }
}
