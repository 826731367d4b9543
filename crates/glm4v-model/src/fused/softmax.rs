use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Tensor as BurnTensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use super::reduce::{self, Reduction, Sharing};
use crate::primitive::{address_type, in_rows, tensor, uninitialised, vector_size};

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
    let vector = vector_size(&[&scores, &output], keys);
    let sharing = Sharing::new(&scores.client, keys / vector);
    let (cubes, dim) = sharing.cubes(rows);
    let address = address_type(&[&scores, &output]);
    let (client, dtype) = (scores.client.clone(), dtype_to_storage_type(scores.dtype));
    kernel::launch(
        &client,
        cubes,
        dim,
        address,
        vector,
        scores.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        rows,
        keys / vector,
        from / vector,
        to / vector,
        scale as f32,
        sharing,
        dtype,
    );
    Some(tensor(output))
}

/// `keys`, `from` and `to` count vectors.
#[cube(launch, address_type = "dynamic")]
fn kernel<F: Float, N: Size>(
    scores: &Tensor<Vector<F, N>>,
    output: &mut Tensor<Vector<F, N>>,
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
    let scale = Vector::<f32, N>::new(scale);

    // Units without keys start from the row's first ones, which changes no maximum.
    let mut largest = Vector::<f32, N>::cast_from(scores[from]) * scale;
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        largest = max(
            largest,
            Vector::<f32, N>::cast_from(scores[from + key]) * scale,
        );
    }
    let largest = reduce::over_vector(largest, Reduction::Largest);
    let largest = Vector::new(reduce::over_row(largest, Reduction::Largest, sharing));
    let mut totals = Vector::<f32, N>::new(0.0f32);
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        totals += Exp::exp(Vector::<f32, N>::cast_from(scores[from + key]) * scale - largest);
    }
    let total = reduce::over_vector(totals, Reduction::Sum);
    let total = Vector::new(reduce::over_row(total, Reduction::Sum, sharing));
    for key in range_stepped(first, keys, comptime!(sharing.units as usize)) {
        let score = Vector::<f32, N>::cast_from(scores[from + key]) * scale;
        output[to + key] = Vector::cast_from(Exp::exp(score - largest) / total);
    }
}
