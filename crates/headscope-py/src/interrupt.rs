//! Work that Ctrl-C gets away from.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often Python is asked whether it was interrupted: a person notices no delay.
const ASK: Duration = Duration::from_millis(50);

/// Does `work` on a thread of its own, without the interpreter's lock. When Python is interrupted meanwhile, that
/// is raised at once: a pass cannot fail, so what is under way runs to its end, and nobody takes the result.
pub fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    watched(py, work, |_| Ok(()))
}

/// The same, calling `look` from time to time, with the lock, on the thread that Python knows: what a notebook shows
/// from another one goes astray. Its error ends the waiting as an interruption does.
pub fn watched<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
    mut look: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    let (done, mut waiting) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    loop {
        let answer;
        (waiting, answer) = py.detach(move || {
            let answer = waiting.recv_timeout(ASK);
            (waiting, answer)
        });
        match answer {
            Ok(value) => {
                look(py)?;
                return Ok(value);
            }
            Err(RecvTimeoutError::Timeout) => {
                py.check_signals()?;
                look(py)?;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("headscope panicked; its message stands above"));
            }
        }
    }
}
