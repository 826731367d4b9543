use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::HiddenAct;

use super::Linear;
use crate::activation::activate;

/// The gated MLP of a block (`Glm4VisionMlp`, `GlmOcrVisionMlp`) and of the merger.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    /// hidden → width, activated
    pub(crate) gate_proj: Linear,
    /// hidden → width
    pub(crate) up_proj: Linear,
    /// width → hidden
    pub(crate) down_proj: Linear,
    #[module(skip)]
    pub(crate) hidden_act: HiddenAct,
}

impl Mlp {
    /// down(act(gate(x)) · up(x)).
    ///
    /// # Shapes
    /// - x, output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = activate(self.hidden_act, self.gate_proj.forward(x.clone()));
        self.down_proj.forward(gate * self.up_proj.forward(x))
    }
}
