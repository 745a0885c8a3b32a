//! What is known of a download under way, for Python to show.

use std::sync::{Arc, Mutex, PoisonError};

use headscope_cli::{Audience, Progress};
use pyo3::prelude::*;

/// What was said last, and how far the file under way is.
#[derive(Default, Clone, PartialEq)]
struct State {
    said: String,
    file: Option<File>,
}

#[derive(Clone, PartialEq)]
struct File {
    name: String,
    bytes: u64,
    size: Option<u64>,
}

/// An audience that keeps what it is told until somebody looks.
#[derive(Default)]
pub struct Download(Mutex<State>);

impl Download {
    fn edit(&self, edit: impl FnOnce(&mut State)) {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What tells `show` all that is new since the last time: `show(said, file, bytes, size)`.
    pub fn teller(self: Arc<Self>, show: Option<Py<PyAny>>) -> impl FnMut(Python<'_>) -> PyResult<()> {
        let mut told = State::default();
        move |py| {
            let Some(show) = &show else { return Ok(()) };
            let now = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if now != told {
                let file = now.file.as_ref();
                let name = file.map(|file| file.name.as_str());
                let bytes = file.map_or(0, |file| file.bytes);
                show.call1(py, (&now.said, name, bytes, file.and_then(|file| file.size)))?;
                told = now;
            }
            Ok(())
        }
    }
}

impl Audience for Download {
    fn say(&self, line: &str) {
        self.edit(|state| line.clone_into(&mut state.said));
    }

    fn file(&self, name: &str, size: Option<u64>) -> Box<dyn Progress + '_> {
        self.edit(|state| state.file = Some(File { name: name.to_owned(), bytes: 0, size }));
        Box::new(Coming(self))
    }
}

struct Coming<'a>(&'a Download);

impl Progress for Coming<'_> {
    fn at(&self, now: u64) {
        self.0.edit(|state| state.file.iter_mut().for_each(|file| file.bytes = now));
    }

    fn say(&self, line: &str) {
        self.0.say(line);
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.edit(|state| state.file = None);
    }
}
