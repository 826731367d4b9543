//! Activations, in f32.

use crate::isa::mul_add;
use crate::math::exp;

/// What is applied to the gate of a gated product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// x / (1 + e⁻ˣ)
    Silu,
    /// GELU by its approximation with tanh
    GeluTanh,
    /// x · sigmoid(1.702 x)
    QuickGelu,
    /// max(x, 0)
    Relu,
}

#[inline(always)]
pub(crate) fn silu<const FUSED: bool>(x: f32) -> f32 {
    x / (1.0 + exp::<FUSED>(-x))
}

/// (1 + tanh u) / 2 is 1 / (1 + e⁻²ᵘ).
#[inline(always)]
pub(crate) fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const SCALE: f32 = 2.0 * 0.797_884_56; // √(2/π)
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
