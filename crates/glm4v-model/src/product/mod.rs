//! Products of matrices.

#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
mod cublas;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
mod order;
#[cfg(not(feature = "cuda"))]
mod without_cuda;

#[cfg(not(feature = "cuda"))]
use without_cuda as cuda;

use burn::tensor::Tensor;

/// x·y. In f32 it is as exact as f32 allows on every device.
pub(crate) fn matmul<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    let mut products = matmul_each(x, vec![y]);
    products.remove(0)
}

/// Whether cuBLAS computes products on the device of `x`.
pub(crate) fn is_cublas<const D: usize>(x: &Tensor<D>) -> bool {
    cuda::is_cublas(x)
}

/// x·y for each y.
pub(crate) fn matmul_each<const D: usize>(x: Tensor<D>, ys: Vec<Tensor<D>>) -> Vec<Tensor<D>> {
    cuda::matmul_each(&x, &ys)
        .unwrap_or_else(|| ys.into_iter().map(|y| x.clone().matmul(y)).collect())
}
