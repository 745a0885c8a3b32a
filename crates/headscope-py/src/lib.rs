//! The native module of the Python package: models that run, traces that are read, pages of them.
//!
//! Numbers leave by `__array_interface__`, which numpy reads in place, and arrive as bytes. Neither takes
//! `unsafe`, nor numpy's own headers; `python/` makes of it what users see.

mod array;
mod download;
mod interrupt;
mod model;
mod trace;

use headscope::Error;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(headscope, HeadscopeError, PyValueError, "What went wrong, and how to go on.");

/// An error with what helps, as Python shows it.
fn refuse(error: impl Into<anyhow::Error>) -> PyErr {
    let error = error.into();
    let help = headscope_cli::help_of(&error).map(|help| format!("\nhelp: {help}"));
    HeadscopeError::new_err(format!("{error:#}{}", help.unwrap_or_default()))
}

#[pymodule]
mod _headscope {
    use std::ffi::OsString;

    use pyo3::prelude::*;

    #[pymodule_export]
    use super::HeadscopeError;
    #[pymodule_export]
    use super::array::Array;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::trace::Trace;

    /// Runs the command with its arguments, the program's name first; returns the exit code.
    #[pyfunction]
    fn run(py: Python<'_>, args: Vec<OsString>) -> u8 {
        py.detach(|| headscope_cli::run(&args))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("SCRIPT", headscope::view::render::html::SCRIPT)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// What the facade refuses, as an error of the shell.
fn of_facade(error: impl Into<Error>) -> PyErr {
    refuse(error.into())
}
