use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::VisionConfig;

use crate::rotary::Rotary;
use crate::source::{ParameterSource, Scope};
use crate::tiles::Scores;
use crate::{Attention, Mlp, RmsNorm, Run};

/// One transformer block (`Glm4vVisionBlock`).
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention
    pub norm1: RmsNorm,
    /// Attention within segments
    pub attn: Attention,
    /// Before the MLP
    pub norm2: RmsNorm,
    /// Gated MLP
    pub mlp: Mlp,
}

impl Block {
    pub(crate) fn load<S: ParameterSource>(
        config: &VisionConfig,
        mut scope: Scope<'_, S>,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            norm1: RmsNorm::load(scope.child("norm1"), config.rms_norm_eps)?,
            attn: Attention::load(config, scope.child("attn"))?,
            norm2: RmsNorm::load(scope.child("norm2"), config.rms_norm_eps)?,
            mlp: Mlp::load(config, scope.child("mlp"), config.block_bias())?,
        })
    }

    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, the patches in the walk's order
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        runs: &[Run],
        scores: Scores,
    ) -> Tensor<2> {
        let normed = self.norm1.forward(x.clone());
        let attended = self.attn.forward(normed, rotary, runs, scores);
        let x = x + attended;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}
