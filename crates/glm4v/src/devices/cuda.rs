use std::panic::catch_unwind;

use burn::tensor::{Device, Tensor};
use cudarc::driver::{result, sys};

use super::{Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec};

/// The CUDA devices. Without a driver burn would panic, so the driver is looked for first.
pub(super) fn find_all() -> Result<Vec<DeviceInfo>, String> {
    if !driver_is_present() {
        return Err("the NVIDIA driver (libcuda) is not installed".into());
    }
    result::init().map_err(|error| error.to_string())?;
    let count = result::device::get_count().map_err(|error| error.to_string())?;
    let devices = (0..count).filter_map(|ordinal| {
        let device = result::device::get(ordinal).ok()?;
        Some(DeviceInfo {
            spec: DeviceSpec {
                backend: Some(Backend::Cuda),
                index: usize::try_from(ordinal).ok(),
            },
            name: result::device::get_name(device).ok()?,
            kind: DeviceKind::Gpu,
            max_buffer: None,
        })
    });
    Ok(devices.collect())
}

/// Runs one small kernel. burn panics at the first kernel if the compiler (NVRTC) or memory is missing.
pub(super) fn open(spec: DeviceSpec) -> Result<Device, DeviceError> {
    let start = || {
        let device = Device::cuda(spec.index.unwrap_or(0));
        let sum = Tensor::<1>::from_floats([1.0, 2.0], &device) + 1.0;
        sum.try_into_vec_as::<f32>().map(|_| device)
    };
    let failed = |reason| DeviceError::NotFound { spec, reason };
    match catch_unwind(start) {
        Ok(started) => started.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(
            "it was found, but it does not start; is NVRTC of CUDA installed?".into(),
        )),
    }
}

#[allow(unsafe_code)]
fn driver_is_present() -> bool {
    // SAFETY: the call only tries to load the driver's library, whose initializers are NVIDIA's own and are run by
    // every CUDA program; no function of it is called and no pointer is kept.
    unsafe { sys::is_culib_present() }
}
