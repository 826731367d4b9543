//! Encoded inputs, batch by batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use glm4v::config::PatchKind;
use glm4v::pipeline::{Batches, InputInfo};
use glm4v::{CancelToken, InputError, VisionEncoder};
use ndarray::Array2;
use numpy::IntoPyArray;
use pyo3::prelude::*;

use crate::errors;
use crate::feed::Feed;

/// An iterator over the items of a feed, in order. A failed input is an exception that is returned, not raised.
///
/// Methods take `&mut self`, so the lock is free; it makes the class shareable among threads, as pyo3 requires.
#[pyclass(module = "glm4v._native")]
pub(crate) struct Items(Mutex<State>);

struct State {
    encoder: Arc<VisionEncoder>,
    feed: Feed,
    /// `None` after the last batch, and after a call that failed.
    batches: Option<Batches>,
    /// Items of the last batch.
    ready: VecDeque<Result<Encoded, InputError>>,
}

struct Encoded {
    input: InputInfo,
    embeddings: Array2<f32>,
}

impl Items {
    pub(crate) fn new(encoder: Arc<VisionEncoder>, feed: Feed, batches: Batches) -> Self {
        Self(Mutex::new(State {
            encoder,
            feed,
            batches: Some(batches),
            ready: VecDeque::new(),
        }))
    }
}

#[pymethods]
impl Items {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    /// The tuple of `glm4v.Item`, or an exception.
    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        loop {
            match state.ready.pop_front() {
                Some(Ok(item)) => return item.into_python(py).map(Some),
                Some(Err(error)) => {
                    let exception = errors::of_input(py, &error).into_value(py);
                    return Ok(Some(exception.into_bound(py).into_any()));
                }
                None => {}
            }
            let Some(mut batches) = state.batches.take() else {
                return Ok(None);
            };
            let encoder = Arc::clone(&state.encoder);
            let work = move |cancel: &CancelToken| {
                let batch = batches.next();
                let items = batch.map(|batch| {
                    let items = encoder.encode_batch(batch, Some(cancel)).into_iter();
                    items.map(|item| Encoded::new(item?, &encoder)).collect()
                });
                (batches, items)
            };
            let (batches, items) = state.feed.run(py, work)?;
            match items {
                Some(items) => (state.batches, state.ready) = (Some(batches), items),
                None => return state.feed.take_exception().map_or(Ok(None), Err),
            }
        }
    }
}

impl Encoded {
    fn new(item: glm4v::Item, encoder: &VisionEncoder) -> Result<Self, InputError> {
        let (input, width) = (item.input, encoder.config().out_hidden_size);
        match item.embeddings.into_values() {
            Ok(values) => Ok(Self {
                embeddings: Array2::from_shape_vec((values.len() / width, width), values)
                    .expect("each token has one row"),
                input,
            }),
            Err(error) => Err(InputError {
                index: input.index,
                name: input.name,
                source: Arc::new(error),
            }),
        }
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let embeddings = self.embeddings.into_pyarray(py);
        let item = (described(self.input), embeddings);
        Ok(item.into_pyobject(py)?.into_any())
    }
}

/// What `glm4v.Item` says of an input: index, name, kind, size, grid, frames_indices, timestamps and warnings.
pub(crate) type Described = (
    usize,
    String,
    &'static str,
    (usize, usize),
    (usize, usize, usize),
    Option<Vec<usize>>,
    Option<Vec<f64>>,
    Vec<String>,
);

pub(crate) fn described(input: InputInfo) -> Described {
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
    )
}

/// What the input is, as `glm4v.Item.kind` names it.
const fn kind(kind: PatchKind) -> &'static str {
    match kind {
        PatchKind::Image => "image",
        PatchKind::Video => "video",
    }
}
