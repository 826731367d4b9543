//! Embeddings in bf16 as a DLPack tensor, for torch and other libraries. numpy has no bf16, so it cannot make one.
//!
//! The structures are those of `dlpack.h`, version 0.8. A capsule named `dltensor` holds one until somebody takes it, who
//! then renames the capsule and calls the deleter.

#![allow(
    unsafe_code,
    reason = "DLPack passes a tensor as a raw pointer with its deleter"
)]
#![allow(dead_code, reason = "whoever takes a tensor reads its fields")]

use std::ffi::{CStr, c_void};

use half::bf16;
use half::slice::HalfFloatSliceExt;
use numpy::PyReadonlyArray2;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::threads;

const NAME: &CStr = c"dltensor";
const CPU: i32 = 1;
const BFLOAT: u8 = 4;

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    dtype_code: u8,
    dtype_bits: u8,
    dtype_lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct DlManagedTensor {
    tensor: DlTensor,
    manager: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut DlManagedTensor)>,
}

/// What a tensor points to.
struct Owner {
    values: Vec<bf16>,
    shape: [i64; 2],
    managed: DlManagedTensor,
}

/// The capsule of `embeddings` in bf16, rounded to nearest.
///
/// # Shapes
/// - embeddings: `[tokens, out_hidden_size]`
#[pyfunction]
pub(crate) fn bf16_capsule<'py>(
    py: Python<'py>,
    embeddings: PyReadonlyArray2<'py, f32>,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = [0, 1].map(|axis| embeddings.as_array().shape()[axis] as i64);
    let floats = embeddings.as_slice()?;
    let values = threads::here(py, || {
        let mut values = vec![bf16::ZERO; floats.len()];
        values.convert_from_f32_slice(floats);
        values
    })?;
    let managed = managed(values, shape);
    // SAFETY: the pointer is not null, and the name lives for ever. `drop_capsule` frees the tensor if nobody takes it.
    let capsule = unsafe { ffi::PyCapsule_New(managed.cast(), NAME.as_ptr(), Some(drop_capsule)) };
    if capsule.is_null() {
        // SAFETY: no capsule has the tensor.
        unsafe { delete(managed) };
        return Err(PyErr::fetch(py));
    }
    // SAFETY: `PyCapsule_New` returns a new reference.
    Ok(unsafe { Bound::from_owned_ptr(py, capsule) })
}

/// The tensor of `values`. [`delete`] frees it.
fn managed(values: Vec<bf16>, shape: [i64; 2]) -> *mut DlManagedTensor {
    let tensor = DlTensor {
        data: std::ptr::null_mut(),
        device_type: CPU,
        device_id: 0,
        ndim: 2,
        dtype_code: BFLOAT,
        dtype_bits: 16,
        dtype_lanes: 1,
        shape: std::ptr::null_mut(),
        // Rows without gaps.
        strides: std::ptr::null_mut(),
        byte_offset: 0,
    };
    let owner = Box::into_raw(Box::new(Owner {
        values,
        shape,
        managed: DlManagedTensor {
            tensor,
            manager: std::ptr::null_mut(),
            deleter: Some(delete),
        },
    }));
    // SAFETY: the box was just made, and nothing else points to it.
    unsafe {
        (*owner).managed.manager = owner.cast();
        (*owner).managed.tensor.data = (*owner).values.as_mut_ptr().cast();
        (*owner).managed.tensor.shape = (&raw mut (*owner).shape).cast();
        &raw mut (*owner).managed
    }
}

/// Frees a tensor of [`managed`]. It is called once for each.
unsafe extern "C" fn delete(managed: *mut DlManagedTensor) {
    // SAFETY: `manager` is the box of `managed`, and this call ends its life.
    drop(unsafe { Box::from_raw((*managed).manager.cast::<Owner>()) });
}

/// Frees the tensor of a capsule that nobody has taken.
unsafe extern "C" fn drop_capsule(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with a capsule of ours and the GIL. Who takes the tensor renames the capsule.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, NAME.as_ptr()) == 1 {
            delete(ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()).cast());
        }
    }
}
