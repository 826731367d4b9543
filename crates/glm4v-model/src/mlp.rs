use burn::module::Module;
use burn::tensor::{FloatDType, Tensor, activation};
use glm4v_config::{HiddenAct, VisionConfig};

use crate::Linear;
use crate::host::PackedGateUp;
use crate::source::{ParameterSource, Scope};

/// The gated MLP of a block (`Glm4VisionMlp`, `GlmOcrVisionMlp`) and of the merger.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `gate_proj`, activated, times `up_proj`: hidden → width
    pub gate_up: GateUp,
    /// width → hidden
    pub down_proj: Linear,
}

/// The first half of a gated MLP.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a block")]
pub enum GateUp {
    /// Multiplied by the device.
    Device(GateUpWeights),
    /// Multiplied by the host's own kernels.
    Host(PackedGateUp),
}

/// The parameters of the first half of a gated MLP.
#[derive(Module, Debug)]
pub struct GateUpWeights {
    /// hidden → width, activated
    pub gate_proj: Linear,
    /// hidden → width
    pub up_proj: Linear,
    #[module(skip)]
    hidden_act: HiddenAct,
}

impl Mlp {
    pub(crate) fn load<S: ParameterSource>(
        config: &VisionConfig,
        mut scope: Scope<'_, S>,
        bias: bool,
    ) -> Result<Self, S::Error> {
        Ok(Self {
            gate_up: GateUp::load(config, &mut scope, bias)?,
            down_proj: Linear::load(scope.child("down_proj"), bias)?,
        })
    }

    /// down(act(gate(x)) · up(x)).
    ///
    /// # Shapes
    /// - x, output: `[rows, width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.down_proj.forward(self.gate_up.forward(x))
    }
}

impl GateUp {
    fn load<S: ParameterSource>(
        config: &VisionConfig,
        scope: &mut Scope<'_, S>,
        bias: bool,
    ) -> Result<Self, S::Error> {
        let hidden_act = config.hidden_act;
        let Some(gate) = scope.host_weight("gate_proj.weight")? else {
            return Ok(Self::Device(GateUpWeights {
                gate_proj: Linear::load(scope.child("gate_proj"), bias)?,
                up_proj: Linear::load(scope.child("up_proj"), bias)?,
                hidden_act,
            }));
        };
        let up = scope.host_weight("up_proj.weight")?;
        let up = up.expect("what packs one weight packs all");
        let bias = match bias {
            true => Some([
                scope.tensor("gate_proj.bias")?,
                scope.tensor("up_proj.bias")?,
            ]),
            false => None,
        };
        Ok(Self::Host(PackedGateUp::new(
            [&gate, &up],
            bias,
            hidden_act,
        )))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Device(weights) => {
                let gate = weights.gate_proj.forward(x.clone());
                activate(weights.hidden_act, gate) * weights.up_proj.forward(x)
            }
            Self::Host(weights) => weights.forward(x),
        }
    }
}

/// The activation in f32, rounded once: in parts and in 16 bits it would be rounded several times.
pub(crate) fn activate(act: HiddenAct, x: Tensor<2>) -> Tensor<2> {
    let dtype = x.dtype();
    let x = x.cast(FloatDType::F32);
    let activated = match act {
        HiddenAct::Gelu => activation::gelu(x),
        HiddenAct::GeluPytorchTanh => activation::gelu_approximate(x),
        HiddenAct::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
        HiddenAct::Relu => activation::relu(x),
        // burn's own goes by way of a logarithm: three passes more.
        _ => x.clone() / (x.neg().exp() + 1.0),
    };
    activated.cast(dtype)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Values of torch 2.15 at −1 and 2.
    #[test]
    fn activations_are_the_references() {
        for (act, expected) in [
            (HiddenAct::Silu, [-0.268_941_43, 1.761_594_2]),
            (HiddenAct::Gelu, [-0.158_655_26, 1.954_499_8]),
            (HiddenAct::GeluPytorchTanh, [-0.158_808, 1.954_597_7]),
            (HiddenAct::QuickGelu, [-0.154_204_23, 1.935_658_6]),
            (HiddenAct::Relu, [0.0, 2.0]),
        ] {
            let x = Tensor::from_floats([[-1.0, 2.0]], &Device::flex());
            let found: Vec<f32> = activate(act, x).into_data().iter().collect();
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{act:?}: {found}, expected {expected}"
                );
            }
        }
    }
}
