//! The functions of this module in a build without a GPU backend.

use burn::tensor::Tensor;
use glm4v_config::HiddenAct;

pub(crate) fn gate(
    _: HiddenAct,
    _: Option<f64>,
    _: &Tensor<2>,
    _: &Tensor<2>,
) -> Option<Tensor<2>> {
    None
}

pub(crate) fn heads(_: &Tensor<3>, _: &Tensor<4>, _: &Tensor<4>, _: f64) -> Option<Tensor<3>> {
    None
}

pub(crate) fn rms_norm<const D: usize>(_: &Tensor<D>, _: &Tensor<1>, _: f64) -> Option<Tensor<D>> {
    None
}

pub(crate) fn softmax(_: &Tensor<4>, _: f64) -> Option<Tensor<4>> {
    None
}

pub(crate) fn runs_on<const D: usize>(_: &Tensor<D>) -> bool {
    false
}
