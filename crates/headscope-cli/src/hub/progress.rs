//! How far a download is, for a person at a terminal; elsewhere nothing is drawn.

use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::{note, printable};

/// The bar of one file.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for `file`, of `size` bytes if that is known.
    pub fn new(file: &str, size: Option<u64>) -> Progress {
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
        bar.set_message(printable(file));
        Progress { bar }
    }

    /// How many bytes are there, of which those from before this run do not count as speed.
    pub fn resume(&self, bytes: u64) {
        self.bar.set_position(bytes);
        self.bar.reset_eta();
    }

    /// How many bytes are there now.
    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Says something above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| note(&printable(line)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
