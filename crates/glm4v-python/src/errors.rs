//! Errors of the library as exceptions of `glm4v._errors`.

use std::any::Any;

use glm4v::store::StoreError;
use glm4v::{Error, InputError};
use pyo3::prelude::*;

/// The exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    named(py, class(error), error.to_string())
}

/// The exception for embeddings that cannot be stored.
pub(crate) fn of_store(py: Python<'_>, error: &StoreError) -> PyErr {
    let class = match error {
        StoreError::Io { .. } | StoreError::NoSpace { .. } => "StoreError",
        // What was given to be stored is refused. Later versions may have more errors.
        _ => "InputError",
    };
    named(py, class, error.to_string())
}

/// The exception for the error of one input, with the attributes `index` and `name`.
pub(crate) fn of_input(py: Python<'_>, error: &InputError) -> PyErr {
    let exception = named(py, class(&error.source), error.to_string());
    let value = exception.value(py);
    let described = value
        .setattr("index", error.index)
        .and_then(|()| value.setattr("name", &error.name));
    described.err().unwrap_or(exception)
}

/// The exception for a value that is refused.
pub(crate) fn refused(py: Python<'_>, message: impl Into<String>) -> PyErr {
    named(py, "InputError", message.into())
}

/// The exception for a panic. Every panic is a bug.
pub(crate) fn of_panic(py: Python<'_>, panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<&str>().copied();
    let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!(
        "internal error: {}; this is a bug in glm4v, please report it at {}/issues",
        message.unwrap_or("a panic without a message"),
        env!("CARGO_PKG_REPOSITORY")
    );
    named(py, "Error", message)
}

/// The exception of a class of `glm4v._errors`.
pub(crate) fn named(py: Python<'_>, class: &str, message: String) -> PyErr {
    let exception = || {
        let class = py.import("glm4v._errors")?.getattr(class)?;
        class.call1((message,))
    };
    exception().map_or_else(|error| error, PyErr::from_value)
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::Config(_) | Error::Weights(_) | Error::NoSuchModel { .. } => "ModelError",
        Error::Hub(_) => "HubError",
        Error::Preprocess(_)
        | Error::Fetch(_)
        | Error::Patches { .. }
        | Error::Range { .. }
        | Error::Placeholders { .. }
        | Error::Shape { .. }
        | Error::Replicas { .. } => "InputError",
        Error::Memory { .. } | Error::Buffer { .. } => "MemoryLimitError",
        Error::Device(_) | Error::Dtype { .. } | Error::Execution(_) => "DeviceError",
        Error::OnDevice { source, .. } => class(source),
        // Only Ctrl-C cancels, and then nobody waits for the error. Later versions may have more errors.
        _ => "Error",
    }
}
