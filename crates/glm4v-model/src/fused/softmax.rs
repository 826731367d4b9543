use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use super::primitive::{in_rows, tensor, uninitialised};
use super::reduce::{self, Sharing};

/// softmax(scores · scale) over the last dimension, computed in f32.
///
/// # Shapes
/// - scores, output: `[heads, segments, queries, keys]`
pub(crate) fn softmax(scores: &BurnTensor<4>, scale: f64) -> Option<BurnTensor<4>> {
    let scores = in_rows(scores)?;
    let shape = scores.meta.shape().clone();
    let output = uninitialised(&scores, shape.clone());
    let (keys, rows) = (shape[3], shape.num_elements() / shape[3]);
    // Rows follow one another at the same distance in a product's result.
    let strides = [&scores, &output].map(|x| {
        let strides = x.meta.strides();
        let even = strides[1] == shape[2] * strides[2] && strides[0] == shape[1] * strides[1];
        even.then_some(strides[2])
    });
    let [Some(from), Some(to)] = strides else {
        return None;
    };
    let sharing = Sharing::new(&scores.client, keys);
    let (cubes, dim) = sharing.cubes(rows);
    let address = scores
        .required_address_type()
        .max(output.required_address_type());
    let (client, dtype) = (scores.client.clone(), dtype_to_storage_type(scores.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address,
        scores.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        rows,
        keys,
        from,
        to,
        scale as f32,
        sharing,
        dtype,
    );
    Some(tensor(output))
}

#[cube(launch, address_type = "dynamic")]
fn kernel<F: Float>(
    scores: &Tensor<F>,
    output: &mut Tensor<F>,
    rows: usize,
    keys: usize,
    from: usize,
    to: usize,
    scale: f32,
    #[comptime] sharing: Sharing,
    #[define(F)] _dtype: ElemType,
) {
    let row = reduce::row(rows);
    let (from, to) = (row * from, row * to);
    let first = UNIT_POS_X as usize;

    // Each unit has a key: the others do not count for it.
    let mut largest = f32::cast_from(scores[from]) * scale;
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        largest = max(largest, f32::cast_from(scores[from + key]) * scale);
    }
    let largest = reduce::largest(largest, sharing);
    let mut total = 0.0f32;
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        total += Exp::exp(f32::cast_from(scores[from + key]) * scale - largest);
    }
    let total = reduce::sum(total, sharing);
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        let weight = Exp::exp(f32::cast_from(scores[from + key]) * scale - largest);
        output[to + key] = F::cast_from(weight / total);
    }
}
