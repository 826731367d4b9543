use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{Device, DeviceKind as Selector};

use super::{Backend, DeviceError, DeviceInfo, DeviceKind, DeviceSpec};

/// The devices that were started, each with its largest tensor in bytes. burn starts each device only once in a program.
static STARTED: Mutex<Option<HashMap<DeviceSpec, (Device, u64)>>> = Mutex::new(None);

/// An adapter, as its driver describes it.
struct Adapter {
    info: wgpu::AdapterInfo,
    max_buffer: u64,
}

/// The adapters of a backend, hardware before software.
pub(super) fn find_all(backend: Backend) -> Vec<DeviceInfo> {
    let info = |(index, adapter): (usize, Adapter)| DeviceInfo {
        spec: DeviceSpec {
            backend: Some(backend),
            index: Some(index),
        },
        name: format!("{} ({:?})", adapter.info.name, adapter.info.backend),
        kind: match adapter.info.device_type {
            wgpu::DeviceType::Cpu => DeviceKind::SoftwareGpu,
            _ => DeviceKind::Gpu,
        },
        max_buffer: Some(adapter.max_buffer),
    };
    adapters(backend)
        .into_iter()
        .enumerate()
        .map(info)
        .collect()
}

pub(super) fn open(spec: DeviceSpec) -> Result<Device, DeviceError> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let started = started.get_or_insert_default();
    if let Some((device, _)) = started.get(&spec) {
        return Ok(device.clone());
    }
    let new = start(spec).map_err(|reason| DeviceError::NotFound { spec, reason })?;
    let (device, _) = started.entry(spec).insert_entry(new).get().clone();
    Ok(device)
}

/// The largest tensor in bytes on a device that was started here.
pub(super) fn max_buffer(device: &Device) -> Option<u64> {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut started = started.as_ref()?.values();
    Some(started.find(|(known, _)| known == device)?.1)
}

fn start(spec: DeviceSpec) -> Result<(Device, u64), String> {
    let backend = spec.backend.unwrap_or(Backend::Wgpu);
    let adapters = adapters(backend);
    let index = spec.index.unwrap_or(0);
    let adapter = adapters.get(index).ok_or("none was found")?;
    let alike = |other: &&Adapter| other.info.device_type == adapter.info.device_type;
    let nth = adapters[..index].iter().filter(alike).count();
    let kind = match adapter.info.device_type {
        wgpu::DeviceType::DiscreteGpu => Selector::DiscreteGpu(nth),
        wgpu::DeviceType::IntegratedGpu => Selector::IntegratedGpu(nth),
        wgpu::DeviceType::VirtualGpu => Selector::VirtualGpu(nth),
        wgpu::DeviceType::Cpu => Selector::Cpu,
        wgpu::DeviceType::Other => Selector::DefaultDevice,
    };
    let device = Device::wgpu_options()
        .device_kind(kind)
        .graphics_api(api(backend))
        .init()
        .map_err(|error| error.to_string())?;
    Ok((device, adapter.max_buffer))
}

/// The adapters of the first graphics API that has adapters, hardware before software. burn chooses the API in this order.
fn adapters(backend: Backend) -> Vec<Adapter> {
    let candidates: &[wgpu::Backends] = match backend {
        Backend::Vulkan => &[wgpu::Backends::VULKAN],
        Backend::Metal => &[wgpu::Backends::METAL],
        Backend::Webgpu => &[wgpu::Backends::BROWSER_WEBGPU],
        Backend::Wgpu if cfg!(target_vendor = "apple") => &[wgpu::Backends::METAL],
        Backend::Wgpu => &[wgpu::Backends::VULKAN, wgpu::Backends::DX12],
        Backend::Cuda | Backend::Flex | Backend::Ndarray => &[],
    };
    let instance = wgpu::Instance::default();
    let list = |backends: &wgpu::Backends| {
        let adapters = pollster::block_on(instance.enumerate_adapters(*backends));
        adapters.iter().map(Adapter::new).collect::<Vec<_>>()
    };
    let mut adapters = candidates
        .iter()
        .map(list)
        .find(|adapters| !adapters.is_empty())
        .unwrap_or_default();
    adapters.sort_by_key(|adapter| match adapter.info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

fn api(backend: Backend) -> WgpuBackend {
    match backend {
        Backend::Vulkan => WgpuBackend::Vulkan,
        Backend::Metal => WgpuBackend::Metal,
        Backend::Webgpu => WgpuBackend::WebGpu,
        Backend::Wgpu | Backend::Cuda | Backend::Flex | Backend::Ndarray => WgpuBackend::Auto,
    }
}

impl Adapter {
    fn new(adapter: &wgpu::Adapter) -> Self {
        // burn starts a device with all limits of its adapter.
        let limits = adapter.limits();
        let binding = limits.max_storage_buffer_binding_size;
        Self {
            info: adapter.get_info(),
            max_buffer: limits.max_buffer_size.min(binding),
        }
    }
}
