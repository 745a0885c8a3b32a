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
    let (done, mut waiting) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    loop {
        let answer;
        (waiting, answer) = py.detach(move || {
            let answer = waiting.recv_timeout(ASK);
            (waiting, answer)
        });
        match answer {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("headscope panicked; its message stands above"));
            }
        }
    }
}
