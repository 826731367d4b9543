use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use crate::primitive::{a_unit_each, address_type, in_rows, tensor, uninitialised, vector_size};

/// The heads one after another: queries, rotated and multiplied by `query_scale`, rotated keys, and values.
///
/// # Shapes
/// - qkv: `[patches, 3·heads, head_dim]`
/// - cos: `[patches, 1, 1, head_dim / 2]`, in f32
/// - sin: `[patches, 1, 2, head_dim / 2]`, in f32, negative for the first half
/// - output: `[3·heads, patches, head_dim]`
pub(crate) fn heads(
    qkv: &BurnTensor<3>,
    cos: &BurnTensor<4>,
    sin: &BurnTensor<4>,
    query_scale: f64,
) -> Option<BurnTensor<3>> {
    let (qkv, cos, sin) = (in_rows(qkv)?, in_rows(cos)?, in_rows(sin)?);
    let [patches, heads, head_dim] = qkv.meta.shape().dims();
    let output = uninitialised(&qkv, [heads, patches, head_dim]);
    let half = head_dim / 2;
    let vector = vector_size(&[&qkv, &output, &cos, &sin], half);
    let count = heads * patches * half / vector;
    let (cubes, dim) = a_unit_each(&qkv.client, count);
    let address = address_type(&[&qkv, &output]);
    let (client, dtype) = (qkv.client.clone(), dtype_to_storage_type(qkv.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address,
        vector,
        qkv.into_tensor_arg(),
        cos.into_tensor_arg(),
        sin.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        query_scale as f32,
        dtype,
    );
    Some(tensor(output))
}

/// Each unit handles pairs of values, one of each half of a head.
#[cube(launch, address_type = "dynamic")]
fn kernel<F: Float, N: Size>(
    qkv: &Tensor<Vector<F, N>>,
    cos: &Tensor<Vector<f32, N>>,
    sin: &Tensor<Vector<f32, N>>,
    output: &mut Tensor<Vector<F, N>>,
    query_scale: f32,
    #[define(F)] _dtype: ElemType,
) {
    let (heads, patches) = (output.shape(0), output.shape(1));
    let half = output.shape(2) / 2 / N::value();
    if ABSOLUTE_POS >= heads * patches * half {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / half, ABSOLUTE_POS % half);
    let (head, patch) = (row / patches, row % patches);
    let from = (patch * qkv.stride(0) + head * qkv.stride(1)) / N::value() + column;
    let to = (head * output.stride(0) + patch * output.stride(1)) / N::value() + column;
    let (a, b) = (qkv[from], qkv[from + half]);
    if head >= 2 * heads / 3 {
        output[to] = a;
        output[to + half] = b;
    } else {
        let cos = cos[patch * cos.stride(0) / N::value() + column];
        let sin = sin[(patch * sin.stride(0) + sin.stride(2)) / N::value() + column];
        let (x, y) = (
            Vector::<f32, N>::cast_from(a),
            Vector::<f32, N>::cast_from(b),
        );
        // Rounded once, as the reference does. The scale is a power of two, which loses nothing.
        let scale = Vector::<f32, N>::new(select(head < heads / 3, query_scale, 1.0f32));
        output[to] = Vector::cast_from((x * cos - y * sin) * scale);
        output[to + half] = Vector::cast_from((y * cos + x * sin) * scale);
    }
}
