//! Encoded inputs, batch by batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use glm4v::pipeline::Batches;
use glm4v::{CancelToken, InputError, VisionEncoder};
use pyo3::prelude::*;

use crate::content::Content;
use crate::encoded::{Encoded, encode};
use crate::errors;
use crate::feed::Feed;

/// An iterator over the items of a feed, in order. A failed input is an exception that is returned, not raised.
///
/// Methods take `&mut self`, so the lock is free; it makes the class shareable among threads, as pyo3 requires.
#[pyclass(module = "glm4v._native")]
pub(crate) struct Items(Mutex<State>);

struct State {
    encoder: Arc<VisionEncoder>,
    /// Names the embeddings by the content of their inputs, and keeps them. Without it they have no names.
    content: Option<Arc<Content>>,
    feed: Feed,
    /// `None` after the last batch, and after a call that failed.
    batches: Option<Batches>,
    /// Items of the last batch.
    ready: VecDeque<Result<Encoded, InputError>>,
}

impl Items {
    pub(crate) fn new(
        encoder: Arc<VisionEncoder>,
        content: Option<Arc<Content>>,
        feed: Feed,
        batches: Batches,
    ) -> Self {
        Self(Mutex::new(State {
            encoder,
            content,
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
            let (encoder, content) = (Arc::clone(&state.encoder), state.content.clone());
            let work = move |cancel: &CancelToken| {
                let batch = batches.next();
                let items = batch.map(|batch| match content {
                    Some(content) => content.encode(&encoder, batch, cancel),
                    None => (encode(&encoder, batch, cancel), None),
                });
                (batches, items)
            };
            let (batches, items) = state.feed.run(py, work)?;
            let Some((items, warning)) = items else {
                return state.feed.take_exception().map_or(Ok(None), Err);
            };
            (state.batches, state.ready) = (Some(batches), items.into());
            if let Some(warning) = warning {
                py.import("warnings")?.call_method1("warn", (warning,))?;
            }
        }
    }
}
