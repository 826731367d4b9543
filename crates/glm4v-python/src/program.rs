//! The program `glm4v`, which comes with the package.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with these arguments, of which the first is its name. Returns the exit status.
///
/// The process must do nothing else: the program handles SIGINT and SIGTERM itself, and may end the process.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| glm4v_cli::run(args))
}
