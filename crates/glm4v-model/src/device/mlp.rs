use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::HiddenAct;

use super::Linear;
use crate::activation::activate;

/// The gated MLP of a block (`Glm4VisionMlp`, `GlmOcrVisionMlp`, `Glm5NextVisionMLP`) and of the merger.
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
    /// The gate is at most the limit, the other factor is between ±limit.
    #[module(skip)]
    pub(crate) limit: Option<f64>,
}

impl Mlp {
    /// down(act(gate(x)) · up(x)).
    ///
    /// # Shapes
    /// - x, output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = self.gate_proj.forward(x.clone());
        let gate = match self.limit {
            Some(limit) => gate.clamp_max(limit),
            None => gate,
        };
        let gate = activate(self.hidden_act, gate);
        let up = self.up_proj.forward(x);
        let up = match self.limit {
            Some(limit) => up.clamp(-limit, limit),
            None => up,
        };
        self.down_proj.forward(gate * up)
    }
}
