//! Files with embeddings, written by the crate `glm4v-store`, as the program writes them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use glm4v::GridThw;
use glm4v::store::handover::{openai, vllm_cache};
use glm4v::store::{
    self, Encoded, OutputDtype, ParquetOptions, Pool, Record, StoreError, VideoInfo,
};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;

use crate::{errors, threads};

/// What a row has of a video: frame indices and timestamps; fps, seconds and frames of the whole video.
type Video = (
    Vec<usize>,
    Vec<f64>,
    Option<f64>,
    Option<f64>,
    Option<usize>,
);

/// A Parquet file that is being written.
///
/// The lock is free, as that of `Items`.
#[pyclass(module = "glm4v._native")]
pub(crate) struct ParquetFile(Mutex<Option<store::ParquetFile>>);

#[pymethods]
impl ParquetFile {
    /// Starts a file. `metadata` is a JSON object.
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        width: usize,
        dtype: &str,
        pool: &str,
        metadata: &str,
    ) -> PyResult<Self> {
        let metadata = serde_json::from_str(metadata);
        let options = ParquetOptions {
            width,
            output_dtype: output_dtype(py, dtype)?,
            pool: one_of(py, "pool", Pool::ALL, Pool::name, pool)?,
            metadata: metadata
                .map_err(|error| errors::refused(py, format!("metadata: {error}")))?,
        };
        let created = threads::here(py, || store::ParquetFile::create(path, &options))?;
        let file = created.map_err(|error| errors::of_store(py, &error))?;
        Ok(Self(Mutex::new(Some(file))))
    }

    /// Adds the row of an input.
    fn push(
        &mut self,
        py: Python<'_>,
        name: &str,
        grid: (usize, usize, usize),
        embeddings: PyReadonlyArray2<'_, f32>,
        video: Option<Video>,
    ) -> PyResult<()> {
        let video =
            video.as_ref().map(
                |(indices, timestamps, fps, duration, total_frames)| VideoInfo {
                    indices,
                    timestamps,
                    fps: *fps,
                    duration: *duration,
                    total_frames: *total_frames,
                },
            );
        let encoded = Encoded {
            grid: self::grid(grid),
            tokens: embeddings.as_slice()?,
            video,
        };
        self.push_record(py, name, Ok(encoded))
    }

    /// Adds the row of an input that failed.
    fn push_error(&mut self, py: Python<'_>, name: &str, error: &str) -> PyResult<()> {
        self.push_record(py, name, Err(error))
    }

    /// Completes the file. Returns the number of rows.
    fn finish(&mut self, py: Python<'_>) -> PyResult<usize> {
        let Some(file) = self.file().take() else {
            return Err(finished(py));
        };
        let rows = threads::here(py, || file.finish())?;
        rows.map_err(|error| errors::of_store(py, &error))
    }
}

impl ParquetFile {
    fn push_record(
        &mut self,
        py: Python<'_>,
        name: &str,
        outcome: Result<Encoded<'_>, &str>,
    ) -> PyResult<()> {
        let record = Record {
            id: name,
            path: name.as_ref(),
            sha256: None,
            outcome,
        };
        let Some(file) = self.file() else {
            return Err(finished(py));
        };
        let pushed = threads::here(py, || file.push(&record))?;
        pushed.map_err(|error| errors::of_store(py, &error))
    }

    fn file(&mut self) -> &mut Option<store::ParquetFile> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the file that vLLM's `ECExampleConnector` reads. Returns its path.
///
/// # Shapes
/// - embeddings: `[tokens, out_hidden_size]`
#[pyfunction]
pub(crate) fn write_vllm_cache(
    py: Python<'_>,
    dir: PathBuf,
    uuid: &str,
    embeddings: PyReadonlyArray2<'_, f32>,
) -> PyResult<PathBuf> {
    let (width, tokens) = (width(&embeddings), embeddings.as_slice()?);
    let written = threads::here(py, || vllm_cache::write(dir, uuid, tokens, width))?;
    written.map_err(|error| errors::of_store(py, &error))
}

/// A content part of OpenAI's chat protocol in JSON.
///
/// # Shapes
/// - embeddings: `[tokens, out_hidden_size]`
#[pyfunction]
pub(crate) fn openai_part(
    py: Python<'_>,
    embeddings: PyReadonlyArray2<'_, f32>,
    grid: (usize, usize, usize),
    dtype: &str,
    uuid: Option<&str>,
) -> PyResult<String> {
    let (width, tokens) = (width(&embeddings), embeddings.as_slice()?);
    let dtype = output_dtype(py, dtype)?;
    let part = threads::here(py, || {
        let part = openai::content_part(tokens, width, self::grid(grid), dtype, uuid)?;
        Ok::<_, StoreError>(part.to_string())
    })?;
    part.map_err(|error| errors::of_store(py, &error))
}

fn output_dtype(py: Python<'_>, name: &str) -> PyResult<OutputDtype> {
    one_of(py, "dtype", OutputDtype::ALL, OutputDtype::name, name)
}

/// The value with this name.
fn one_of<T: Copy, const N: usize>(
    py: Python<'_>,
    what: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
    found: &str,
) -> PyResult<T> {
    let refuse = || {
        let names = all.map(name).join(", ");
        errors::refused(
            py,
            format!("{what}: expected one of {names}, found {found}"),
        )
    };
    let mut named = all.into_iter().filter(|&value| name(value) == found);
    named.next().ok_or_else(refuse)
}

fn width(embeddings: &PyReadonlyArray2<'_, f32>) -> usize {
    embeddings.as_array().ncols()
}

fn grid((t, h, w): (usize, usize, usize)) -> GridThw {
    GridThw::new(t, h, w)
}

fn finished(py: Python<'_>) -> PyErr {
    errors::refused(py, "the file is finished")
}
