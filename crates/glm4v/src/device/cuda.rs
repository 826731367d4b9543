use cudarc::driver::{CudaContext, sys};

use super::{Backend, DeviceInfo, DeviceKind};

/// The CUDA devices; asking burn for one without a driver would panic.
pub(super) fn found() -> Result<Vec<DeviceInfo>, String> {
    if !driver_is_present() {
        return Err("the NVIDIA driver (libcuda) is not installed".into());
    }
    let count = CudaContext::device_count().map_err(|error| error.to_string())?;
    (0..count as usize)
        .map(|index| {
            let context = CudaContext::new(index).map_err(|error| error.to_string())?;
            Ok(DeviceInfo {
                spec: super::DeviceSpec {
                    backend: Some(Backend::Cuda),
                    index: Some(index),
                },
                name: context.name().map_err(|error| error.to_string())?,
                kind: DeviceKind::Gpu,
            })
        })
        .collect()
}

#[allow(unsafe_code)]
fn driver_is_present() -> bool {
    // SAFETY: the call only tries to load the driver's library, whose initializers are NVIDIA's own and are run by
    // every CUDA program; no function of it is called and no pointer is kept.
    unsafe { sys::is_culib_present() }
}
