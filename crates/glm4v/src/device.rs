//! Which devices there are, and opening one without a panic.

#[cfg(feature = "cuda")]
mod cuda;
mod several;
mod spec;
#[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
mod wgpu;

use burn::tensor::Device;
use glm4v_model::AttentionMethod;

pub use several::DeviceSpecs;
pub use spec::{Backend, DeviceSpec};

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name of a device cannot be understood.
    #[error("no device is called `{found}`; expected auto or one of {}, and for GPUs an index as in cuda:1, or all as in cuda:all", Backend::names(&Backend::ALL))]
    Unknown {
        /// The name.
        found: String,
    },
    /// The backend is not in this program.
    #[error("the backend {backend} is not built in (built in: {}); rebuild with --features {backend}", Backend::names(&Backend::compiled()))]
    NotCompiled {
        /// The backend.
        backend: Backend,
    },
    /// The program was built without any backend.
    #[error("no backend is built in; rebuild with --features flex")]
    NoBackend,
    /// Several devices are named, and one of them is no GPU.
    #[error(
        "{spec} is a CPU, which is used alone: it takes all cores; of several devices each must be a GPU"
    )]
    NotShared {
        /// The device.
        spec: DeviceSpec,
    },
    /// The backend is built in, but the machine has no such device.
    #[error("no device {spec}: {reason}")]
    NotFound {
        /// What was asked for.
        spec: DeviceSpec,
        /// Why it cannot be had, and what there is instead.
        reason: String,
    },
}

/// What runs a tensor operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A GPU.
    Gpu,
    /// The processor, through one of burn's CPU backends.
    Cpu,
    /// The processor pretending to be a GPU (llvmpipe, SwiftShader): right, but slow.
    SoftwareGpu,
}

/// A device that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What opens it.
    pub spec: DeviceSpec,
    /// The part's name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Most bytes that one tensor may have, where the device limits that.
    pub max_buffer: Option<u64>,
}

/// Every device of the backends built in, best first: GPUs, then the processor, then software GPUs.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    let mut devices: Vec<DeviceInfo> = Backend::compiled()
        .into_iter()
        .flat_map(|backend| found(backend).unwrap_or_default())
        .collect();
    devices.sort_by_key(|device| match device.kind {
        DeviceKind::Gpu => 0,
        DeviceKind::Cpu => 1,
        DeviceKind::SoftwareGpu => 2,
    });
    devices
}

impl DeviceSpec {
    /// What this names; for `auto`, the first of [`devices`] that starts.
    ///
    /// # Errors
    /// [`DeviceError`] for a backend that is not built in, and a device that is not there.
    pub fn find(&self) -> Result<DeviceInfo, DeviceError> {
        let Some(backend) = self.backend else {
            let mut devices = devices().into_iter();
            let starts = |device: &DeviceInfo| open(device.spec).is_ok();
            let none = match Backend::compiled()[..] {
                [] => DeviceError::NoBackend,
                [..] => DeviceError::NotFound {
                    spec: *self,
                    reason: "none of the backends built in finds one that starts".to_owned(),
                },
            };
            return devices.find(starts).ok_or(none);
        };
        if !backend.is_compiled() {
            return Err(DeviceError::NotCompiled { backend });
        }
        let not_found = |reason| DeviceError::NotFound {
            spec: *self,
            reason,
        };
        let devices = found(backend).map_err(not_found)?;
        let count = devices.len();
        let index = self.index.unwrap_or(0);
        devices.into_iter().nth(index).ok_or_else(|| {
            not_found(match count {
                0 => "none was found; is its driver installed?".to_owned(),
                _ => format!("the machine has {count}, counted from 0"),
            })
        })
    }

    /// Opens the device.
    ///
    /// # Errors
    /// As [`DeviceSpec::find`]; [`DeviceError::NotFound`] also where the device is there but does not start.
    pub fn open(&self) -> Result<Device, DeviceError> {
        open(self.find()?.spec)
    }
}

/// The devices of one backend, best first.
fn found(backend: Backend) -> Result<Vec<DeviceInfo>, String> {
    match backend {
        Backend::Flex | Backend::Ndarray => Ok(vec![DeviceInfo {
            spec: backend.into(),
            name: format!(
                "{} cores",
                std::thread::available_parallelism().map_or(1, usize::from)
            ),
            kind: DeviceKind::Cpu,
            max_buffer: None,
        }]),
        #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
        Backend::Wgpu | Backend::Vulkan | Backend::Webgpu | Backend::Metal => {
            Ok(wgpu::found(backend))
        }
        #[cfg(feature = "cuda")]
        Backend::Cuda => cuda::found(),
        #[allow(unreachable_patterns)]
        _ => Ok(Vec::new()),
    }
}

fn open(spec: DeviceSpec) -> Result<Device, DeviceError> {
    match spec.backend {
        #[cfg(feature = "flex")]
        Some(Backend::Flex) => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // An option for those who have it in use, until burn drops it.
        Some(Backend::Ndarray) => Ok(Device::ndarray()),
        #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
        Some(Backend::Wgpu | Backend::Vulkan | Backend::Webgpu | Backend::Metal) => {
            wgpu::open(spec)
        }
        #[cfg(feature = "cuda")]
        Some(Backend::Cuda) => cuda::open(spec),
        _ => Err(DeviceError::NoBackend),
    }
}

pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return true;
    }
    let _ = device;
    false
}

/// Whether the device's memory is the host's.
pub(crate) fn is_host(device: &Device) -> bool {
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)] // As above.
    if *device == Device::ndarray() {
        return true;
    }
    is_flex(device)
}

/// How a device attends, unless told otherwise: where scores are computed in the tower's type, burn's own attention has its
/// softmax in that type as well, and its fused kernels, on GPUs, have not been shown to be right (docs/parity.md).
pub(crate) fn attention(device: &Device) -> AttentionMethod {
    match is_host(device) {
        true => AttentionMethod::Backend,
        false => AttentionMethod::Plain,
    }
}

/// Most bytes that one tensor may have on a device that [`DeviceSpec::open`] has opened.
pub(crate) fn max_buffer(device: &Device) -> Option<u64> {
    #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
    if let Some(bytes) = wgpu::max_buffer(device) {
        return Some(bytes);
    }
    let _ = device;
    None
}
