//! Activations, computed in f32.

use rayon::prelude::*;

use crate::element::Element;
use crate::isa::{Isa, Job, mul_add};
use crate::math::{erf, exp};

/// Values of a task. Smaller tasks cost more to start than to run.
const TASK_VALUES: usize = 16 << 10;

/// A function of single values, for gates or for any other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x · Φ(x), by the error function
    Gelu,
    /// GELU by its approximation with tanh
    GeluTanh,
    /// x · sigmoid(1.702 x)
    QuickGelu,
    /// max(x, 0)
    Relu,
}

impl Activation {
    /// Applies the function to every value in place.
    pub fn apply<X: Element>(self, x: &mut [X]) {
        let isa = Isa::detected();
        x.par_chunks_mut(TASK_VALUES)
            .for_each(|x| isa.run(Activate(self, x)));
    }
}

struct Activate<'a, X>(Activation, &'a mut [X]);

impl<X: Element> Job for Activate<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self(activation, x) = self;
        match activation {
            Activation::Silu => each(x, silu::<FUSED>),
            Activation::Gelu => each(x, gelu::<FUSED>),
            Activation::GeluTanh => each(x, gelu_tanh::<FUSED>),
            Activation::QuickGelu => each(x, quick_gelu::<FUSED>),
            Activation::Relu => each(x, relu),
        }
    }
}

#[inline(always)]
fn each<X: Element>(x: &mut [X], activate: impl Fn(f32) -> f32) {
    for x in x {
        *x = X::from_f32(activate(x.to_f32()));
    }
}

#[inline(always)]
pub(crate) fn silu<const FUSED: bool>(x: f32) -> f32 {
    x / (1.0 + exp::<FUSED>(-x))
}

#[inline(always)]
pub(crate) fn gelu<const FUSED: bool>(x: f32) -> f32 {
    0.5 * x * (1.0 + erf::<FUSED>(std::f32::consts::FRAC_1_SQRT_2 * x))
}

/// (1 + tanh u) / 2 is 1 / (1 + e⁻²ᵘ).
#[inline(always)]
pub(crate) fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const SCALE: f32 = 2.0 * 0.797_884_6; // √(2/π)
    let u = SCALE * x * mul_add::<FUSED>(0.044_715 * x, x, 1.0);
    x / (1.0 + exp::<FUSED>(-u))
}

#[inline(always)]
pub(crate) fn quick_gelu<const FUSED: bool>(x: f32) -> f32 {
    x / (1.0 + exp::<FUSED>(-1.702 * x))
}

/// NaN stays NaN.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of torch 2.15 at −1 and 2, and the limits of every activation.
    #[test]
    fn activations_are_the_references() {
        for (activation, expected) in [
            (Activation::Silu, [-0.268_941_43, 1.761_594_2]),
            (Activation::Gelu, [-0.158_655_26, 1.954_499_8]),
            (Activation::GeluTanh, [-0.158_808, 1.954_597_7]),
            (Activation::QuickGelu, [-0.154_204_23, 1.935_658_6]),
            (Activation::Relu, [0.0, 2.0]),
        ] {
            for isa in Isa::available() {
                let mut x = [-1.0, 2.0, -200.0, 200.0, f32::NAN];
                isa.run(Activate(activation, &mut x));
                for (found, expected) in x.into_iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < 3e-7,
                        "{isa} {activation:?}: {found}"
                    );
                }
                assert_eq!(x[2..4], [0.0, 200.0], "{isa} {activation:?}");
                assert!(x[4].is_nan(), "{isa} {activation:?}");
            }
        }
    }
}
