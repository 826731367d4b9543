//! A tower from tensors in memory.

use std::sync::{Mutex, PoisonError};

use glm4v::config::{ImageProcessorConfig, VisionConfig};
use glm4v::devices::{Backend, DeviceSpec};
use glm4v::weights::{Encoding, Loader as WeightsLoader, LoaderOptions};
use glm4v::{Error, Processor, VisionEncoder};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::encoder::Encoder;
use crate::options::dtype;
use crate::{errors, threads};

/// Builds an encoder from the tensors of a tower, one after another.
///
/// The lock is free, as that of `Items`.
#[pyclass(module = "glm4v._native")]
pub(crate) struct Loader {
    config: VisionConfig,
    /// `None` after the end. In a box, because its alignment is larger than that of Python's objects.
    loader: Mutex<Option<Box<WeightsLoader>>>,
}

#[pymethods]
impl Loader {
    /// A loader for the tower of a vision configuration in JSON.
    #[new]
    fn new(py: Python<'_>, config: &str, compute_dtype: &str) -> PyResult<Self> {
        let compute_dtype = dtype(py, compute_dtype)?;
        let open = || -> Result<Self, Error> {
            let config = VisionConfig::from_json(config)?;
            let info = DeviceSpec::from(Backend::Flex).find()?;
            let refused = || Error::Dtype {
                device: info.name.clone(),
                dtype: compute_dtype,
            };
            let target = info.target(compute_dtype).ok_or_else(refused)?;
            let options = LoaderOptions::from(target.mode);
            let loader = WeightsLoader::new(&config, &info.open()?, options)?;
            let loader = Mutex::new(Some(loader.into()));
            Ok(Self { config, loader })
        };
        open().map_err(|error| errors::exception(py, &error))
    }

    /// Adds the tensor `key`. `bytes` are its values in `encoding`: f32, f16 or bf16.
    fn write(
        &mut self,
        py: Python<'_>,
        key: &str,
        encoding: &str,
        bytes: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<()> {
        let encoding = match encoding {
            "f32" => Encoding::F32,
            "f16" => Encoding::F16,
            "bf16" => Encoding::Bf16,
            _ => {
                let message = format!("tensor {key}: expected f32, f16 or bf16, found {encoding}");
                return Err(errors::refused(py, message));
            }
        };
        let bytes = bytes.as_slice()?;
        let Some(loader) = self.loader() else {
            return Err(errors::refused(py, "the tower is finished"));
        };
        let written = threads::here(py, || loader.write(key, encoding, bytes))?;
        written.map_err(|error| errors::exception(py, &error.into()))
    }

    /// The encoder, after all tensors.
    fn finish(&mut self, py: Python<'_>) -> PyResult<Encoder> {
        let config = self.config.clone();
        let Some(loader) = self.loader().take() else {
            return Err(errors::refused(py, "the tower is finished"));
        };
        let build = || {
            let images = ImageProcessorConfig {
                patch_size: config.patch_size,
                merge_size: config.spatial_merge_size,
                temporal_patch_size: config.temporal_patch_size,
                ..ImageProcessorConfig::default()
            };
            let processor = Processor::image_only(images)?;
            VisionEncoder::new(loader.finish()?, processor)
        };
        let encoder = threads::here(py, build)?;
        let encoder = encoder.map_err(|error: Error| errors::exception(py, &error))?;
        Ok(encoder.into())
    }
}

impl Loader {
    fn loader(&mut self) -> &mut Option<Box<WeightsLoader>> {
        self.loader
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
