use std::sync::Arc;

use glm4v::FloatDType;
use glm4v::burn::tensor::wgpu::{WgpuBackend, wgpu};
use glm4v::model::{ComputeMode, Precision};
use glm4v::weights::LoaderOptions;
use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::failures;

/// The device that runs a tower.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Device {
    pub(crate) device: glm4v::Device,
    /// `None` on the CPU.
    adapter: Option<Adapter>,
}

#[derive(Clone)]
struct Adapter {
    name: String,
    f16: bool,
    limits: wgpu::Limits,
}

#[wasm_bindgen]
impl Device {
    /// Opens `webgpu`, the browser's GPU, or `wasm`, the CPU. A program can open the GPU once.
    ///
    /// # Errors
    /// If the browser has no WebGPU or no adapter, and for another `kind`.
    pub async fn open(kind: String) -> Result<Device, JsError> {
        match &kind[..] {
            "wasm" => Ok(Self {
                device: glm4v::Device::flex(),
                adapter: None,
            }),
            "webgpu" => Self::webgpu().await,
            other => Err(JsError::new(&format!(
                "device: expected webgpu or wasm, found {other}"
            ))),
        }
    }

    async fn webgpu() -> Result<Device, JsError> {
        let options = glm4v::Device::wgpu_options().graphics_api(WgpuBackend::WebGpu);
        let (device, setup) = options.init_with_setup_async().await.map_err(|error| {
            JsError::new(&format!(
                "no WebGPU device: {error}; device \"wasm\" runs on the CPU"
            ))
        })?;
        // This replaces burn's handler, which panics: after a panic the caller's promise never settles.
        let report = |error: wgpu::Error| failures::report(&error.to_string());
        setup.device.on_uncaptured_error(Arc::new(report));
        Ok(Self {
            device,
            adapter: Some(Adapter {
                name: name(&setup.adapter.get_info()),
                f16: setup.device.features().contains(wgpu::Features::SHADER_F16),
                limits: setup.device.limits(),
            }),
        })
    }

    /// `webgpu` or `wasm`.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn kind(&self) -> String {
        match self.adapter {
            Some(_) => "webgpu".to_owned(),
            None => "wasm".to_owned(),
        }
    }

    /// The name of the adapter, if the browser gives it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn name(&self) -> String {
        match &self.adapter {
            Some(adapter) => adapter.name.clone(),
            None => "CPU (WebAssembly)".to_owned(),
        }
    }

    /// Whether the device supports f16.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn f16(&self) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.f16)
    }

    /// Bytes of the largest possible buffer.
    #[wasm_bindgen(getter, js_name = maxBufferSize)]
    #[must_use]
    pub fn max_buffer_size(&self) -> f64 {
        self.limit(|limits| limits.max_buffer_size)
    }

    /// Bytes of the largest possible binding: the part of a buffer that a shader can read.
    #[wasm_bindgen(getter, js_name = maxBinding)]
    #[must_use]
    pub fn max_binding(&self) -> f64 {
        self.limit(|limits| limits.max_storage_buffer_binding_size)
    }

    /// Calls `callback` with a message when the device is lost or reports an error.
    #[wasm_bindgen(js_name = onFailure)]
    pub fn on_failure(&self, callback: Function) {
        failures::call(callback);
    }

    fn limit(&self, limit: impl Fn(&wgpu::Limits) -> u64) -> f64 {
        let adapter = self.adapter.as_ref();
        adapter.map_or(f64::INFINITY, |adapter| limit(&adapter.limits) as f64)
    }

    /// How the parameters of a tower of type `dtype`, `f32` or `f16`, are loaded onto this device.
    pub(crate) fn loader_options(&self, dtype: &str) -> Result<LoaderOptions, JsError> {
        Ok(LoaderOptions {
            mode: self.compute_mode(dtype)?,
            max_split_bytes: self.max_tensor_bytes().unwrap_or(u64::MAX),
        })
    }

    fn compute_mode(&self, dtype: &str) -> Result<ComputeMode, JsError> {
        match (&self.adapter, dtype) {
            (None, "f32") => Ok(ComputeMode::Cpu(Precision::F32)),
            (Some(_), "f32") => Ok(ComputeMode::Device(FloatDType::F32)),
            (Some(adapter), "f16") if adapter.f16 => Ok(ComputeMode::Device(FloatDType::F16)),
            (_, "f16") => Err(JsError::new(&format!(
                "{} does not support f16; use dtype \"f32\"",
                self.name()
            ))),
            (_, other) => Err(JsError::new(&format!(
                "dtype: expected f32 or f16, found {other}"
            ))),
        }
    }

    /// Bytes of the largest possible tensor. `None` on the CPU, which has no such limit.
    pub(crate) fn max_tensor_bytes(&self) -> Option<u64> {
        let limits = &self.adapter.as_ref()?.limits;
        Some(
            limits
                .max_buffer_size
                .min(limits.max_storage_buffer_binding_size),
        )
    }
}

/// Joins the parts of the adapter's name. For privacy, browsers leave most parts empty.
fn name(info: &wgpu::AdapterInfo) -> String {
    let parts = [&info.name, &info.driver, &info.driver_info];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let name = parts.map(String::as_str).collect::<Vec<_>>().join(", ");
    match name.is_empty() {
        true => "WebGPU".to_owned(),
        false => name,
    }
}
