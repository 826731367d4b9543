use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use glm4v_config::HiddenAct;

use crate::primitive::{a_unit_each, address_type, in_rows, tensor, uninitialised, vector_size};

/// act(gate) · up, where the gate is at most `limit` and `up` is between ±`limit`. See `Mlp`.
///
/// # Shapes
/// - gate, up, output: `[rows, width]`
pub(crate) fn gate(
    act: HiddenAct,
    limit: Option<f64>,
    gate: &BurnTensor<2>,
    up: &BurnTensor<2>,
) -> Option<BurnTensor<2>> {
    let (gate, up) = (in_rows(gate)?, in_rows(up)?);
    let output = uninitialised(&gate, gate.meta.shape().clone());
    let width = gate.meta.shape()[1];
    let vector = vector_size(&[&gate, &up, &output], width);
    let count = gate.meta.num_elements() / vector;
    let (cubes, dim) = a_unit_each(&gate.client, count);
    let address = address_type(&[&gate, &up, &output]);
    let (client, dtype) = (gate.client.clone(), dtype_to_storage_type(gate.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address,
        vector,
        gate.into_tensor_arg(),
        up.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        limit.unwrap_or_default() as f32,
        act,
        limit.is_some(),
        dtype,
    );
    Some(tensor(output))
}

#[cube(launch, address_type = "dynamic")]
fn kernel<F: Float, N: Size>(
    gate: &Tensor<Vector<F, N>>,
    up: &Tensor<Vector<F, N>>,
    output: &mut Tensor<Vector<F, N>>,
    limit: f32,
    #[comptime] act: HiddenAct,
    #[comptime] limited: bool,
    #[define(F)] _dtype: ElemType,
) {
    let width = output.shape(1) / N::value();
    if ABSOLUTE_POS >= output.shape(0) * width {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let mut x = Vector::<f32, N>::cast_from(gate[row * gate.stride(0) / N::value() + column]);
    let mut y = Vector::<f32, N>::cast_from(up[row * up.stride(0) / N::value() + column]);
    if limited {
        // Rounded as the values that it limits are.
        let limit = f32::cast_from(F::cast_from(limit));
        x = min(x, Vector::new(limit));
        y = clamp(y, Vector::new(-limit), Vector::new(limit));
    }
    // The activation is rounded before it is multiplied, as the reference does.
    let x = Vector::<f32, N>::cast_from(Vector::<F, N>::cast_from(activate(x, act)));
    let to = row * output.stride(0) / N::value() + column;
    output[to] = Vector::cast_from(x * y);
}

#[cube]
fn activate<N: Size>(x: Vector<f32, N>, #[comptime] act: HiddenAct) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0f32);
    let half = Vector::<f32, N>::new(0.5f32);
    match act {
        HiddenAct::Silu => x / (one + Exp::exp(-x)),
        HiddenAct::Gelu => half * x * (one + Erf::erf(x * Vector::new(0.707_106_77f32))),
        HiddenAct::GeluPytorchTanh => {
            let cube = Vector::new(0.044_715f32) * x * x * x;
            half * x * (one + Tanh::tanh(Vector::new(0.797_884_6f32) * (x + cube)))
        }
        HiddenAct::QuickGelu => x / (one + Exp::exp(Vector::new(-1.702f32) * x)),
        HiddenAct::Relu => max(x, Vector::new(0.0f32)),
    }
}
