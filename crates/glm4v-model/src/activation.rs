//! What `hidden_act` means for each tower.

use burn::tensor::{FloatDType, Tensor, activation};
use glm4v_config::HiddenAct;
use glm4v_kernels::Activation;

/// The kernel of the CPU tower.
pub(crate) fn kernel(act: HiddenAct) -> Activation {
    match act {
        HiddenAct::Silu => Activation::Silu,
        HiddenAct::Gelu => Activation::Gelu,
        HiddenAct::GeluPytorchTanh => Activation::GeluTanh,
        HiddenAct::QuickGelu => Activation::QuickGelu,
        HiddenAct::Relu => Activation::Relu,
    }
}

/// The operations of the device tower. They run in f32 and round once: in 16 bits every step would round.
pub(crate) fn activate(act: HiddenAct, x: Tensor<2>) -> Tensor<2> {
    let dtype = x.dtype();
    let x = x.cast(FloatDType::F32);
    let activated = match act {
        // burn's own `silu` computes a logarithm, which costs three more passes.
        HiddenAct::Silu => x.clone() / (x.neg().exp() + 1.0),
        HiddenAct::Gelu => activation::gelu(x),
        HiddenAct::GeluPytorchTanh => activation::gelu_approximate(x),
        HiddenAct::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
        HiddenAct::Relu => activation::relu(x),
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
            let device: Vec<f32> = activate(act, x).into_data().iter().collect();
            let mut cpu = [-1.0_f32, 2.0];
            kernel(act).apply(&mut cpu);
            for (tower, found) in [("device", &device[..]), ("CPU", &cpu[..])] {
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "{tower} {act:?}: {found}, expected {expected}"
                    );
                }
            }
        }
    }
}
