//! Between burn's tensors and the memory of a GPU.
//!
//! burn calls a backend's own tensor its primitive.

use std::any::{Any, TypeId};

use burn::backend::{BackendTypes, Cube};
use burn::tensor::Tensor;
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::prelude::{AddressType, CubeCount, CubeDim};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Whether another crate of this build has turned burn's `fusion` on. Then burn's tensors on GPUs have a type of their own, on
/// which these kernels cannot work.
#[must_use]
pub fn fusion_is_on() -> bool {
    TypeId::of::<CubeTensor>() != TypeId::of::<<Cube as BackendTypes>::FloatTensorPrimitive>()
}

/// The tensor as a GPU has it, unless [`fusion_is_on`].
pub(crate) fn primitive<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let found = x.clone().try_into_primitive::<Cube>().ok()?;
    let found: Box<dyn Any> = Box::new(found);
    found.downcast::<CubeTensor>().ok().map(|found| *found)
}

/// Whether the kernels of `fused` run on the device of `x`.
pub(crate) fn runs_on<const D: usize>(x: &Tensor<D>) -> bool {
    primitive(x).is_some()
}

/// The tensor as a GPU has it, if its values stand side by side in the last dimension.
pub(crate) fn in_rows<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    primitive(x).filter(|x| x.meta.strides()[D - 1] == 1)
}

/// The reverse of [`primitive`].
pub(crate) fn tensor<const D: usize>(x: CubeTensor) -> Tensor<D> {
    let x: Box<dyn Any> = Box::new(x);
    let x = x.downcast::<<Cube as BackendTypes>::FloatTensorPrimitive>();
    Tensor::from_primitive::<Cube>(*x.expect("the kernel's inputs have this type"))
}

/// The widest vector that divides `width` and, of each tensor, all strides but the last.
pub(crate) fn vector_size(tensors: &[&CubeTensor], width: usize) -> usize {
    let first = tensors[0];
    let fits = |size: &usize| {
        let even = |tensor: &&CubeTensor| {
            let strides = tensor.meta.strides();
            let strides = &strides[..strides.len() - 1];
            strides.iter().all(|stride| stride.is_multiple_of(*size))
        };
        width.is_multiple_of(*size) && tensors.iter().all(even)
    };
    let sizes = first.client.io_optimized_vector_sizes(first.dtype.size());
    sizes.filter(fits).max().unwrap_or(1)
}

/// Cubes with a unit for each of `count` positions. The last cube may have units beyond.
pub(crate) fn a_unit_each(client: &Client, count: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(client, count);
    (calculate_cube_count_elemwise(client, count, dim), dim)
}

/// The type of indices that reach every value of the tensors.
pub(crate) fn address_type(tensors: &[&CubeTensor]) -> AddressType {
    let types = tensors.iter().map(|tensor| tensor.required_address_type());
    types.max().unwrap_or_default()
}

/// Memory for x·y.
#[cfg(feature = "cuda")]
pub(crate) fn product_output(x: &CubeTensor, y: &CubeTensor) -> CubeTensor {
    let mut shape = x.meta.shape().clone();
    let last = shape.len() - 1;
    shape[last] = y.meta.shape()[last];
    uninitialised(x, shape)
}

/// Memory for values like those of `x`.
pub(crate) fn uninitialised(x: &CubeTensor, shape: impl Into<burn::tensor::Shape>) -> CubeTensor {
    empty_device_dtype(x.client.clone(), x.device.clone(), shape.into(), x.dtype)
}
