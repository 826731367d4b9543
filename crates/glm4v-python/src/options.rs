//! Arguments of Python functions, which arrive as dictionaries.

use std::path::PathBuf;

use glm4v::config::SizeBudget;
use glm4v::hub::{Hub, ModelId, Progress};
use glm4v::preprocess::ReadOptions;
use glm4v::weights::{PackedCache, ProcessorSource, is_local};
use glm4v::{CancelToken, ComputeType, Error, LoadOptions, Preset};
use pyo3::prelude::*;

use crate::errors;

/// A model: a directory or a name on the hub, or else a preset with random weights.
#[derive(Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Model {
    model: Option<PathBuf>,
    preset: Option<String>,
    seed: u64,
    revision: Option<String>,
    offline: bool,
    processor: Option<String>,
    min_tokens: Option<usize>,
    max_tokens: Option<usize>,
    min_pixels: Option<usize>,
    max_pixels: Option<usize>,
}

/// The device of an encoder.
#[derive(Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Device {
    device: String,
    dtype: String,
    max_memory: Option<u64>,
    packed_cache: PackedCacheOption,
}

/// Where packed weights are kept: nowhere, in the user's cache directory, or in this one.
#[derive(Clone, FromPyObject)]
enum PackedCacheOption {
    #[pyo3(transparent)]
    Users(bool),
    #[pyo3(transparent)]
    Directory(PathBuf),
}

impl PackedCacheOption {
    fn cache(&self) -> Option<PackedCache> {
        match self {
            Self::Users(false) => None,
            Self::Users(true) => PackedCache::of_user(),
            Self::Directory(dir) => Some(PackedCache::new(dir)),
        }
    }
}

/// How inputs are read.
#[derive(Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Reading {
    source_fps: Option<f64>,
    first_frame_only: bool,
}

/// Where a model comes from.
pub(crate) enum Origin {
    Preset(Preset, u64),
    /// A directory, or a GGUF file.
    Local(PathBuf),
}

/// Which files of a model are needed.
#[derive(Clone, Copy)]
pub(crate) enum Files {
    Configs,
    Tower,
}

impl Model {
    /// The limits of the size, if there are any.
    pub(crate) fn budget(&self, py: Python<'_>) -> PyResult<Option<SizeBudget>> {
        let tokens = (self.min_tokens, self.max_tokens);
        match (tokens, (self.min_pixels, self.max_pixels)) {
            ((None, None), (None, None)) => Ok(None),
            ((None, None), (min, max)) => Ok(Some(SizeBudget::Pixels { min, max })),
            ((min, max), (None, None)) => Ok(Some(SizeBudget::Tokens { min, max })),
            _ => {
                let message =
                    "limits in tokens and limits in pixels exclude each other: use one kind";
                Err(errors::refused(py, message))
            }
        }
    }

    /// Where the settings of the processors come from, if not from the model.
    pub(crate) fn processor(&self) -> Result<Option<ProcessorSource>, Error> {
        Ok(self.processor.as_deref().map(str::parse).transpose()?)
    }

    /// Warns of a revision that has no effect, at the line that called `from_pretrained`.
    pub(crate) fn warn_of_revision(&self, py: Python<'_>) -> PyResult<()> {
        let (Some(model), Some(revision)) = (&self.model, &self.revision) else {
            return Ok(());
        };
        // `find` has the error of a name that is refused.
        if !matches!(is_local(model), Ok(true)) {
            return Ok(());
        }
        let model = model.display();
        let message = format!(
            "{model} is on this machine, so revision={revision:?} has no effect; it applies to models on the hub"
        );
        let stack_level = 2;
        let warn = py.import("warnings")?.getattr("warn")?;
        warn.call1((message, py.None(), stack_level)).map(drop)
    }

    /// Finds the model. A model on the hub is downloaded if it is in no cache.
    pub(crate) fn find(&self, files: Files, cancel: &CancelToken) -> Result<Origin, Error> {
        if let Some(preset) = &self.preset {
            return Ok(Origin::Preset(preset.parse()?, self.seed));
        }
        let model = self.model.clone().unwrap_or_default();
        if is_local(&model)? {
            return Ok(Origin::Local(model));
        }
        let name: ModelId = model.to_string_lossy().parse()?;
        let hub = Hub::from_env()?.offline(self.offline);
        let (revision, cancel) = (self.revision.as_deref(), Cancel(cancel));
        let dir = match files {
            Files::Configs => hub.configs(&name, revision, &cancel),
            Files::Tower => hub.checkpoint(&name, revision, &cancel),
        };
        Ok(Origin::Local(dir?))
    }
}

/// Stops a download after Ctrl-C.
struct Cancel<'a>(&'a CancelToken);

impl Progress for Cancel<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Device {
    pub(crate) fn options(
        &self,
        py: Python<'_>,
        budget: Option<SizeBudget>,
    ) -> PyResult<LoadOptions> {
        let device = self.device.parse();
        let device = device.map_err(|error| errors::exception(py, &Error::Device(error)))?;
        Ok(LoadOptions {
            packed_cache: self.packed_cache.cache(),
            device,
            dtype: dtype(py, &self.dtype)?,
            max_memory: self.max_memory,
            budget,
            ..LoadOptions::default()
        })
    }
}

impl Reading {
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            source_fps: self.source_fps,
            first_frame_only: self.first_frame_only,
            ..ReadOptions::default()
        }
    }
}

/// The type of a name: f32, bf16, f16 or int8.
pub(crate) fn dtype(py: Python<'_>, name: &str) -> PyResult<ComputeType> {
    let dtype = name.parse();
    dtype.map_err(|error: String| errors::refused(py, format!("dtype: {error}")))
}

/// The vision configuration of a preset as JSON.
#[pyfunction]
pub(crate) fn preset_config(py: Python<'_>, preset: &str) -> PyResult<String> {
    let preset: Result<Preset, _> = preset.parse();
    let preset = preset.map_err(|error| errors::exception(py, &Error::Config(error)))?;
    Ok(serde_json::json!(preset.vision()).to_string())
}
