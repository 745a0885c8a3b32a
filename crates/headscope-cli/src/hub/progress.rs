//! How far a download is, for whoever watches: a person at a terminal, or a notebook.

use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::{note, printable};

/// Who is told of a download.
pub trait Audience: Send + Sync {
    /// Something to read.
    fn say(&self, line: &str);
    /// A file begins, of `size` bytes if that is known; it has come, or failed, when the answer is dropped.
    fn file(&self, name: &str, size: Option<u64>) -> Box<dyn Progress + '_>;
}

/// How far one file is.
pub trait Progress {
    /// How many bytes are there, of which those from before this run do not count as speed.
    fn resume(&self, bytes: u64) {
        self.at(bytes);
    }
    /// How many bytes are there now.
    fn at(&self, bytes: u64);
    /// Something to read while the file is on its way.
    fn say(&self, line: &str);
}

/// Standard error: lines, and at a terminal a bar for each file; elsewhere no bar is drawn.
pub struct Terminal;

impl Audience for Terminal {
    fn say(&self, line: &str) {
        note(&printable(line));
    }

    fn file(&self, name: &str, size: Option<u64>) -> Box<dyn Progress + '_> {
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match size {
            Some(_) => {
                "{msg:32!} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}"
            }
            None => "{msg:32!} {spinner} {decimal_bytes} {decimal_bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(printable(name));
        Box::new(Bar(bar))
    }
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn resume(&self, bytes: u64) {
        self.0.set_position(bytes);
        self.0.reset_eta();
    }

    fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    fn say(&self, line: &str) {
        self.0.suspend(|| note(&printable(line)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
