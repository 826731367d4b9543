//! Encoded inputs, and what Python learns of them.

use std::sync::Arc;

use glm4v::config::PatchKind;
use glm4v::pipeline::{InputInfo, ReadBatch};
use glm4v::{CancelToken, InputError, VisionEncoder};
use ndarray::Array2;
use numpy::IntoPyArray;
use pyo3::prelude::*;

/// The embeddings of an input.
pub(crate) struct Encoded {
    input: InputInfo,
    embeddings: Array2<f32>,
    /// Its name in other programs.
    uuid: Option<String>,
}

/// Encodes a batch. Its embeddings have no names.
pub(crate) fn encode(
    encoder: &VisionEncoder,
    batch: ReadBatch,
    cancel: &CancelToken,
) -> Vec<Result<Encoded, InputError>> {
    let items = encoder.encode_batch(batch, Some(cancel)).into_iter();
    items
        .map(|item| Encoded::new(item?, encoder, None))
        .collect()
}

impl Encoded {
    pub(crate) fn new(
        item: glm4v::Item,
        encoder: &VisionEncoder,
        uuid: Option<String>,
    ) -> Result<Self, InputError> {
        let (input, width) = (item.input, encoder.config().out_hidden_size);
        match item.embeddings.into_values() {
            Ok(values) => Ok(Self::of_values(input, values, width, uuid)),
            Err(error) => Err(InputError {
                index: input.index,
                name: input.name,
                source: Arc::new(error),
            }),
        }
    }

    /// Rows of `width` values.
    pub(crate) fn of_values(
        input: InputInfo,
        values: Vec<f32>,
        width: usize,
        uuid: Option<String>,
    ) -> Self {
        let embeddings = Array2::from_shape_vec((values.len() / width, width), values);
        Self {
            input,
            embeddings: embeddings.expect("each token has one row"),
            uuid,
        }
    }

    /// The tuple of `glm4v.Item`.
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let embeddings = self.embeddings.into_pyarray(py);
        let item = (described(self.input), embeddings, self.uuid);
        Ok(item.into_pyobject(py)?.into_any())
    }
}

/// What `glm4v.Item` says of an input: index, name, kind, size, grid, frames_indices, timestamps, warnings; and of a video
/// fps, seconds and frames of the whole video.
pub(crate) type Described = (
    usize,
    String,
    &'static str,
    (usize, usize),
    (usize, usize, usize),
    Option<Vec<usize>>,
    Option<Vec<f64>>,
    Vec<String>,
    Option<f64>,
    Option<f64>,
    Option<usize>,
);

pub(crate) fn described(input: InputInfo) -> Described {
    let video = input.frames.as_ref().map(|frames| &frames.metadata);
    let (fps, seconds) = (
        video.and_then(|video| video.fps),
        video.and_then(|video| video.duration),
    );
    let count = video.map(|video| video.num_frames);
    let frames = input
        .frames
        .map(|frames| (frames.indices, frames.timestamps));
    let (indices, timestamps) = frames.unzip();
    (
        input.index,
        input.name,
        kind(input.kind),
        input.size,
        (input.grid.t, input.grid.h, input.grid.w),
        indices,
        timestamps,
        input.warnings,
        fps,
        seconds,
        count,
    )
}

/// What the input is, as `glm4v.Item.kind` names it.
const fn kind(kind: PatchKind) -> &'static str {
    match kind {
        PatchKind::Image => "image",
        PatchKind::Video => "video",
    }
}
