use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use super::reduce::{self, Reduction, Sharing};
use crate::primitive::{address_type, in_rows, tensor, uninitialised};

/// x / √(mean(x²) + eps) · weight over the last dimension: see `RmsNorm`.
///
/// # Shapes
/// - x, output: `[…, width]`
/// - weight: `[width]`
pub(crate) fn rms_norm<const D: usize>(
    x: &BurnTensor<D>,
    weight: &BurnTensor<1>,
    eps: f64,
) -> Option<BurnTensor<D>> {
    let (x, weight) = (in_rows(x)?, in_rows(weight)?);
    // Rows of each part of the first dimension
    let inner = match D {
        2 => 1,
        3 => x.meta.shape()[1],
        _ => return None,
    };
    let output = uninitialised(&x, x.meta.shape().clone());
    let width = x.meta.shape()[D - 1];
    let rows = x.meta.num_elements() / width;
    let sharing = Sharing::new(&x.client, width);
    let (cubes, dim) = sharing.cubes(rows);
    let address = address_type(&[&x, &output]);
    let (client, dtype) = (x.client.clone(), dtype_to_storage_type(x.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address,
        x.into_tensor_arg(),
        weight.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        rows,
        inner,
        eps as f32,
        width,
        sharing,
        dtype,
    );
    Some(tensor(output))
}

#[cube(launch, address_type = "dynamic")]
fn kernel<F: Float>(
    x: &Tensor<F>,
    weight: &Tensor<F>,
    output: &mut Tensor<F>,
    rows: usize,
    inner: usize,
    eps: f32,
    #[comptime] width: usize,
    #[comptime] sharing: Sharing,
    #[define(F)] _dtype: ElemType,
) {
    let row = reduce::row(rows);
    let rank = x.rank();
    let (outer, within) = (row / inner, row % inner);
    let from = outer * x.stride(0) + within * x.stride(rank - 2);
    let to = outer * output.stride(0) + within * output.stride(rank - 2);
    let first = UNIT_POS_X as usize;

    let mut squares = 0.0f32;
    for column in range_stepped(first, width, comptime!(sharing.units as usize)) {
        let value = f32::cast_from(x[from + column]);
        squares += value * value;
    }
    let mean = reduce::over_row(squares, Reduction::Sum, sharing) / comptime!(width as f32);
    let scale = 1.0f32 / Sqrt::sqrt(mean + eps);
    for column in range_stepped(first, width, comptime!(sharing.units as usize)) {
        let value = f32::cast_from(x[from + column]) * scale;
        output[to + column] = F::cast_from(value) * weight[column];
    }
}
