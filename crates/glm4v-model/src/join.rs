use burn::tensor::Tensor;

/// The tensors beside one another along `dim`. A single tensor is returned without the copy that `Tensor::cat` makes.
///
/// # Panics
/// If `tensors` is empty, or the other dimensions differ.
#[must_use]
pub fn join<const D: usize>(mut tensors: Vec<Tensor<D>>, dim: usize) -> Tensor<D> {
    match tensors.len() {
        1 => tensors.remove(0),
        _ => Tensor::cat(tensors, dim),
    }
}
