//! Between burn's tensors and the memory of a GPU.

use std::any::Any;

use burn::backend::{BackendTypes, Cube};
use burn::tensor::Tensor;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;

/// The tensor as a GPU has it.
pub(crate) fn primitive<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let found = x.clone().try_into_primitive::<Cube>().ok()?;
    // With burn's `fusion`, the backend's tensors have another type.
    let found: Box<dyn Any> = Box::new(found);
    found.downcast::<CubeTensor>().ok().map(|found| *found)
}

/// The tensor as a GPU has it, if its values stand side by side in the last dimension.
pub(super) fn in_rows<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    primitive(x).filter(|x| x.meta.strides()[D - 1] == 1)
}

/// The reverse of [`primitive`].
pub(crate) fn tensor<const D: usize>(x: CubeTensor) -> Tensor<D> {
    let x: Box<dyn Any> = Box::new(x);
    let x = x.downcast::<<Cube as BackendTypes>::FloatTensorPrimitive>();
    Tensor::from_primitive::<Cube>(*x.expect("the kernel's inputs have this type"))
}

/// Memory for values like those of `x`.
pub(super) fn uninitialised(x: &CubeTensor, shape: impl Into<burn::tensor::Shape>) -> CubeTensor {
    empty_device_dtype(x.client.clone(), x.device.clone(), shape.into(), x.dtype)
}

/// Memory for x·y.
#[cfg(feature = "cuda")]
pub(crate) fn product_output(x: &CubeTensor, y: &CubeTensor) -> CubeTensor {
    let mut shape = x.meta.shape().clone();
    let last = shape.len() - 1;
    shape[last] = y.meta.shape()[last];
    uninitialised(x, shape)
}

/// As many cubes as rows, or a few more, whose index is then beyond the rows.
pub(super) fn cubes(rows: usize) -> CubeCount {
    // WebGPU allows 65,535 in a dimension.
    let columns = rows.div_ceil(65_535).max(1);
    CubeCount::Static(rows.div_ceil(columns) as u32, columns as u32, 1)
}
