use burn::module::Module;
use burn::tensor::Tensor;

use super::rotary::Rotary;
use super::{Attention, Mlp, RmsNorm};
use crate::layout::SegmentGroup;
use crate::tiles::Scores;

/// One transformer block (`Glm4vVisionBlock`).
#[derive(Module, Debug)]
pub(crate) struct Block {
    /// Before the attention
    pub(crate) norm1: RmsNorm,
    /// Attention within segments
    pub(crate) attn: Attention,
    /// Before the MLP
    pub(crate) norm2: RmsNorm,
    /// Gated MLP
    pub(crate) mlp: Mlp,
}

impl Block {
    /// # Shapes
    /// - x, output: `[patches, hidden_size]`, in the tower's order
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        groups: &[SegmentGroup],
        scores: Scores,
    ) -> Tensor<2> {
        let normed = self.norm1.forward(x.clone());
        let attended = self.attn.forward(normed, rotary, groups, scores);
        let x = x + attended;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}
