//! `Processor` for Python.

use std::sync::Arc;

use glm4v::devices::Backend;
use glm4v::pipeline::Inputs;
use glm4v::plan::{BatchLimits, Target};
use glm4v::weights::LocalModel;
use glm4v::{CancelToken, Error, FloatDType, InputError, Patches};
use ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::encoded::{Described, described};
use crate::feed::Feed;
use crate::options::{Files, Model, Origin, Reading};
use crate::{errors, prompt, threads};

/// The processor of `glm4v.Processor`.
#[pyclass(frozen, module = "glm4v._native")]
pub(crate) struct Processor(Arc<glm4v::Processor>);

impl From<Arc<glm4v::Processor>> for Processor {
    fn from(processor: Arc<glm4v::Processor>) -> Self {
        Self(processor)
    }
}

#[pymethods]
impl Processor {
    /// The processor of a model.
    #[staticmethod]
    fn load(py: Python<'_>, model: Model) -> PyResult<Self> {
        model.warn_of_revision(py)?;
        let budget = model.budget(py)?;
        let work = move |cancel: &CancelToken| {
            let processor = match model.find(Files::Configs, cancel)? {
                Origin::Preset(preset, _) => glm4v::Processor::from_preset(preset),
                Origin::Local(path) => LocalModel::open(path, model.processor()?)?.processor()?,
            };
            Ok::<_, Error>(match budget {
                Some(budget) => processor.with_budget(budget)?,
                None => processor,
            })
        };
        let processor = threads::run(py, work)?;
        let processor = processor.map_err(|error| errors::exception(py, &error))?;
        Ok(Arc::new(processor).into())
    }

    /// The number of patches along a side of a merge block.
    fn merge_size(&self) -> usize {
        self.0.config().merge_size
    }

    /// The patch rows of the sources, and what is known of each.
    ///
    /// # Shapes
    /// - rows: `[patches, channels · temporal_patch_size · patch_size²]`
    fn read<'py>(
        &self,
        py: Python<'py>,
        sources: &Bound<'py, PyIterator>,
        reading: Reading,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Vec<Described>)> {
        let (mut feed, sources) = Feed::new(sources);
        let limits = BatchLimits::new(&Target::new(Backend::Flex, FloatDType::F32));
        let processor = Arc::clone(&self.0);
        let work = move |_: &CancelToken| {
            let mut inputs = Inputs::new(sources, processor, reading.options(), limits);
            let (mut batches, mut infos) = (Vec::new(), Vec::new());
            while let Some(batch) = inputs.next_batch() {
                infos.extend(batch.inputs.into_iter().collect::<Result<Vec<_>, _>>()?);
                batches.push(batch.patches);
            }
            Ok::<_, InputError>((rows(batches), infos))
        };
        let result = feed.run(py, work)?;
        if let Some(exception) = feed.take_exception() {
            return Err(exception);
        }
        let (rows, infos) = result.map_err(|error| errors::of_input(py, &error))?;
        let infos = infos.into_iter().map(described).collect();
        Ok((rows.into_pyarray(py), infos))
    }

    /// The string of a video in a prompt.
    fn video_prompt(
        &self,
        py: Python<'_>,
        grid: (usize, usize, usize),
        timestamps: Vec<f64>,
    ) -> PyResult<String> {
        let video = self.0.video();
        let video = video.map_err(|error| errors::exception(py, &error.into()))?;
        let rule = video.config().sampling.video_processor_type;
        Ok(prompt::video(grid, &timestamps, rule, self.merge_size()))
    }
}

/// The reference's rows of all batches.
fn rows(mut batches: Vec<Patches>) -> Array2<f32> {
    let patches = match batches.len() {
        1 => batches.remove(0),
        _ => Patches::concat(&batches).expect("one processor makes rows of one width"),
    };
    patches.pixel_values().into_owned()
}
