use burn::module::Module;
use burn::tensor::Tensor;
use glm4v_config::HiddenAct;

use super::Linear;
use crate::activation::activate;
use crate::fused;

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
        let [gate, up] = Linear::forward_each([&self.gate_proj, &self.up_proj], x);
        let gated = fused::gate(self.hidden_act, self.limit, &gate, &up)
            .unwrap_or_else(|| self.gated(gate, up));
        self.down_proj.forward(gated)
    }

    pub(crate) fn gated(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        let (gate, up) = match self.limit {
            Some(limit) => (gate.clamp_max(limit), up.clamp(-limit, limit)),
            None => (gate, up),
        };
        activate(self.hidden_act, gate) * up
    }
}
