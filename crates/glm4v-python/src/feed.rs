//! Inputs from a Python iterator. Only the thread that called us runs Python code: the thread that works asks it for each
//! source.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use glm4v::{CancelToken, InputSource};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::source::source;
use crate::threads::{self, Event};

/// The side of the thread that runs Python.
pub(crate) struct Feed {
    /// `None` after the last source.
    iterator: Option<Py<PyIterator>>,
    /// What the iterator raised.
    raised: Option<PyErr>,
    answers: Sender<Option<InputSource>>,
    events: Mutex<Receiver<Event>>,
    sender: Sender<Event>,
}

/// The side of the thread that works.
pub(crate) struct Sources {
    sender: Sender<Event>,
    answers: Receiver<Option<InputSource>>,
}

impl Feed {
    /// The two sides of `iterator`, which yields the tuples of [`source()`].
    pub(crate) fn new(iterator: &Bound<'_, PyIterator>) -> (Self, Sources) {
        let (sender, events) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let feed = Self {
            iterator: Some(iterator.clone().unbind()),
            raised: None,
            answers: answer,
            events: Mutex::new(events),
            sender: sender.clone(),
        };
        (feed, Sources { sender, answers })
    }

    /// Runs `work`, which may read from the other side. An exception of the iterator ends the sources, and
    /// [`Feed::take_exception`] returns it. `KeyboardInterrupt` and its like end the call at once.
    pub(crate) fn run<T: Send + 'static>(
        &mut self,
        py: Python<'_>,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> PyResult<T> {
        let Self {
            iterator,
            raised,
            answers,
            events,
            sender,
        } = self;
        let answer = |py: Python<'_>| {
            let source = match next(py, iterator) {
                Ok(source) => source,
                Err(error) if error.is_instance_of::<PyException>(py) => {
                    *raised = Some(error);
                    None
                }
                Err(error) => return Err(error),
            };
            // The thread that works has ended if it panicked.
            let _ = answers.send(source);
            Ok(())
        };
        threads::wait(py, sender.clone(), events, work, answer)
    }

    /// What the iterator raised.
    pub(crate) fn take_exception(&mut self) -> Option<PyErr> {
        self.raised.take()
    }
}

/// The next source; `None` after the last and after an exception.
fn next(py: Python<'_>, iterator: &mut Option<Py<PyIterator>>) -> PyResult<Option<InputSource>> {
    let Some(all) = iterator.take() else {
        return Ok(None);
    };
    let Some(tuple) = all.bind(py).clone().next() else {
        return Ok(None);
    };
    let source = source(&tuple?)?;
    *iterator = Some(all);
    Ok(Some(source))
}

impl Iterator for Sources {
    type Item = InputSource;

    fn next(&mut self) -> Option<InputSource> {
        self.sender.send(Event::Source).ok()?;
        self.answers.recv().ok()?
    }
}
