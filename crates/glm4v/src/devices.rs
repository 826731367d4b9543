//! The devices of this machine, and how to open one without a panic.
//!
//! ```
//! use glm4v::DeviceSpec;
//! use glm4v::devices::{Backend, DeviceKind, DeviceSpecs, devices};
//!
//! for device in devices() {
//!     println!("{}: {}, {:?}", device.spec, device.name, device.kind);
//! }
//! let cpu = DeviceSpec::from(Backend::Flex).find()?;
//! assert_eq!(cpu.kind, DeviceKind::Cpu);
//! assert!("flex".parse::<DeviceSpecs>()?.find()?.contains(&cpu));
//! # Ok::<(), glm4v::devices::DeviceError>(())
//! ```

mod backend;
mod compute_type;
#[cfg(feature = "cuda")]
mod cuda;
mod spec;
mod specs;
mod target;
#[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
mod wgpu;

use burn::tensor::Device;
use glm4v_model::AttentionMethod;

pub use backend::Backend;
pub use compute_type::ComputeType;
pub use spec::DeviceSpec;
pub use specs::DeviceSpecs;
pub use target::Target;

/// Why a device cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name of a device is invalid.
    #[error(
        "`{found}` is no device: use auto or one of {}; a GPU can have an index, as in cuda:1, and cuda:all is all of them",
        Backend::names(&Backend::ALL)
    )]
    Unknown {
        /// The name.
        found: String,
    },
    /// The backend is not part of this program.
    #[error(
        "the backend {backend} is not built in (built in: {}): rebuild with --features {backend}",
        Backend::names(&Backend::compiled())
    )]
    NotCompiled {
        /// The backend.
        backend: Backend,
    },
    /// No backend is part of this program.
    #[error("no backend is built in: rebuild with --features flex")]
    NoBackend,
    /// Several devices are named, and one of them is a CPU.
    #[error(
        "{spec} is a CPU and works alone, because it uses all cores: name one CPU, or only GPUs"
    )]
    NotShared {
        /// The CPU.
        spec: DeviceSpec,
    },
    /// The backend is built in, but the device cannot be used.
    #[error("no device {spec}: {reason}")]
    NotFound {
        /// The device.
        spec: DeviceSpec,
        /// Why it cannot be used.
        reason: String,
    },
}

/// What computes on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A GPU.
    Gpu,
    /// The processor.
    Cpu,
    /// The processor that emulates a GPU (llvmpipe, SwiftShader). It is correct, but slow.
    SoftwareGpu,
}

/// A device that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The name that opens it.
    pub spec: DeviceSpec,
    /// The name of the hardware.
    pub name: String,
    /// What computes on it.
    pub kind: DeviceKind,
    /// The largest tensor in bytes, where the device limits it.
    pub max_buffer: Option<u64>,
}

impl DeviceInfo {
    /// Opens this device without a search.
    ///
    /// # Errors
    /// [`DeviceError::NotFound`] if the device does not start.
    pub fn open(&self) -> Result<Device, DeviceError> {
        open(self.spec)
    }

    /// This device as a target of a tower that computes in `dtype`. `None` if no device of this backend does.
    ///
    /// # Panics
    /// If the name has no backend. The name of a device that was found has one.
    #[must_use]
    pub fn target(&self, dtype: impl Into<ComputeType>) -> Option<Target> {
        let backend = self.spec.backend.expect("a device has a backend");
        Some(Target {
            max_buffer: self.max_buffer,
            ..Target::of(backend, dtype)?
        })
    }
}

/// All devices of the backends built in, best first: GPUs, then the processor, then software GPUs.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    let mut devices: Vec<DeviceInfo> = Backend::compiled()
        .into_iter()
        .flat_map(|backend| find_all(backend).unwrap_or_default())
        .collect();
    devices.sort_by_key(|device| match device.kind {
        DeviceKind::Gpu => 0,
        DeviceKind::Cpu => 1,
        DeviceKind::SoftwareGpu => 2,
    });
    devices
}

impl DeviceSpec {
    /// The device of this name. For `auto` it is the first of [`devices`] that starts.
    ///
    /// # Errors
    /// [`DeviceError`] if the backend is not built in, or the machine has no such device.
    pub fn find(&self) -> Result<DeviceInfo, DeviceError> {
        let Some(backend) = self.backend else {
            return find_auto();
        };
        if !backend.is_compiled() {
            return Err(DeviceError::NotCompiled { backend });
        }
        let not_found = |reason| DeviceError::NotFound {
            spec: *self,
            reason,
        };
        let devices = find_all(backend).map_err(not_found)?;
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
    /// As [`DeviceSpec::find`]; [`DeviceError::NotFound`] also if the device does not start.
    pub fn open(&self) -> Result<Device, DeviceError> {
        self.find()?.open()
    }
}

fn find_auto() -> Result<DeviceInfo, DeviceError> {
    let starts = |device: &DeviceInfo| device.open().is_ok();
    devices()
        .into_iter()
        .find(starts)
        .ok_or_else(|| match Backend::compiled()[..] {
            [] => DeviceError::NoBackend,
            [..] => DeviceError::NotFound {
                spec: DeviceSpec::default(),
                reason: "no device of the backends built in starts".to_owned(),
            },
        })
}

/// The devices of one backend, best first.
fn find_all(backend: Backend) -> Result<Vec<DeviceInfo>, String> {
    match backend {
        Backend::Flex | Backend::Ndarray => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            Ok(vec![DeviceInfo {
                spec: backend.into(),
                name: format!("{cores} cores"),
                kind: DeviceKind::Cpu,
                max_buffer: None,
            }])
        }
        Backend::Wgpu | Backend::Vulkan | Backend::Webgpu | Backend::Metal => {
            #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
            return Ok(wgpu::find_all(backend));
            #[cfg(not(all(feature = "wgpu", not(target_family = "wasm"))))]
            Ok(Vec::new())
        }
        Backend::Cuda => {
            #[cfg(feature = "cuda")]
            return cuda::find_all();
            #[cfg(not(feature = "cuda"))]
            Ok(Vec::new())
        }
    }
}

fn open(spec: DeviceSpec) -> Result<Device, DeviceError> {
    let backend = spec.backend.ok_or(DeviceError::NoBackend)?;
    match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // It stays an option until burn drops it.
        Backend::Ndarray => Ok(Device::ndarray()),
        #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
        Backend::Wgpu | Backend::Vulkan | Backend::Webgpu | Backend::Metal => wgpu::open(spec),
        #[cfg(feature = "cuda")]
        Backend::Cuda => cuda::open(spec),
        #[cfg(not(feature = "flex"))]
        Backend::Flex => Err(DeviceError::NotCompiled { backend }),
        #[cfg(not(feature = "ndarray"))]
        Backend::Ndarray => Err(DeviceError::NotCompiled { backend }),
        #[cfg(any(not(feature = "wgpu"), target_family = "wasm"))]
        Backend::Wgpu | Backend::Vulkan | Backend::Webgpu | Backend::Metal => {
            Err(DeviceError::NotCompiled { backend })
        }
        #[cfg(not(feature = "cuda"))]
        Backend::Cuda => Err(DeviceError::NotCompiled { backend }),
    }
}

/// The CPU backend of a device, if it has one.
pub(crate) fn cpu_backend(device: &Device) -> Option<Backend> {
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return Some(Backend::Flex);
    }
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)] // As above.
    if *device == Device::ndarray() {
        return Some(Backend::Ndarray);
    }
    let _ = device;
    None
}

/// The default attention of a device (docs/parity.md). Backends compute the softmax of their own attention in the tower's
/// type, and the fused kernels of GPUs are not proven to be right.
pub(crate) fn attention(device: &Device) -> AttentionMethod {
    match cpu_backend(device) {
        Some(_) => AttentionMethod::Backend,
        None => AttentionMethod::Eager,
    }
}

/// The largest tensor in bytes on a device that [`DeviceSpec::open`] opened.
pub(crate) fn max_buffer(device: &Device) -> Option<u64> {
    #[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
    if let Some(bytes) = wgpu::max_buffer(device) {
        return Some(bytes);
    }
    let _ = device;
    None
}
