use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use glm4v_config::HiddenAct;

use super::primitive::{in_rows, tensor, uninitialised};

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
    let count = gate.meta.num_elements();
    let dim = CubeDim::new(&gate.client, count);
    let cubes = cubecl::calculate_cube_count_elemwise(&gate.client, count, dim);
    let address = [&gate, &up, &output].map(|x| x.required_address_type());
    let (client, dtype) = (gate.client.clone(), dtype_to_storage_type(gate.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address.into_iter().max().unwrap_or_default(),
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
fn kernel<F: Float>(
    gate: &Tensor<F>,
    up: &Tensor<F>,
    output: &mut Tensor<F>,
    limit: f32,
    #[comptime] act: HiddenAct,
    #[comptime] limited: bool,
    #[define(F)] _dtype: ElemType,
) {
    let width = output.shape(1);
    if ABSOLUTE_POS >= output.shape(0) * width {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let mut x = f32::cast_from(gate[row * gate.stride(0) + column]);
    let mut y = f32::cast_from(up[row * up.stride(0) + column]);
    if limited {
        x = min(x, limit);
        y = clamp(y, -limit, limit);
    }
    // The activation is rounded before it is multiplied, as the reference does.
    let x = f32::cast_from(F::cast_from(activate(x, act)));
    let to = row * output.stride(0) + column;
    output[to] = F::cast_from(x * y);
}

#[cube]
fn activate(x: f32, #[comptime] act: HiddenAct) -> f32 {
    match act {
        HiddenAct::Silu => x / (1.0f32 + Exp::exp(-x)),
        HiddenAct::Gelu => 0.5f32 * x * (1.0f32 + Erf::erf(x * 0.707_106_77f32)),
        HiddenAct::GeluPytorchTanh => {
            let inner = 0.797_884_6f32 * (x + 0.044_715f32 * x * x * x);
            0.5f32 * x * (1.0f32 + Tanh::tanh(inner))
        }
        HiddenAct::QuickGelu => x / (1.0f32 + Exp::exp(-1.702f32 * x)),
        HiddenAct::Relu => max(x, 0.0f32),
    }
}
