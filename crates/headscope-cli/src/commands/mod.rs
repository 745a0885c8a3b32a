//! One file per command.

pub mod figure;
pub mod learn;
pub mod look;
pub mod models;
pub mod open;
pub mod pull;
pub mod tokens;
pub mod trace;
pub mod view;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use headscope::view::render::html;
use headscope::view::{Focus, Part, ViewData};
use headscope::{Compute, Error};

use crate::args::PageArgs;
use crate::runner::Runner;
use crate::server::{self, Server};

/// An error of the shell's own, with a way out.
#[derive(Debug)]
pub struct Hinted {
    /// What went wrong.
    pub what: String,
    /// How to go on.
    pub help: String,
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Hinted {}

/// How to go on after `error`, if any of its causes knows.
pub fn help_of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let hinted = cause.downcast_ref::<Hinted>().map(|hinted| hinted.help.clone());
        hinted.or_else(|| cause.downcast_ref::<Error>()?.help())
    })
}

/// Writes to stdout; a reader that has gone is reported as an error, not a panic.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a line to stderr. Where nobody can read it (a closed pipe, a full disk) it is lost, which
/// `eprintln!` would panic over.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes the page, or serves it until Ctrl-C. With a model the texts can be edited.
pub fn show(data: ViewData, runner: Option<Runner>, compute: Compute, page: &PageArgs) -> Result<()> {
    let view = page.view.and_then(|view| Some(view.to_possible_value()?.get_name().to_owned()));
    let part = page.part.map(Part::from);
    let layer = page.layer.or(part.and(Some(0)));
    let layer = layer.map(|layer| data.place_of(part, layer)).transpose().map_err(Error::from)?;
    let focus = Focus { view, layer, head: page.head, ..Focus::default() };
    data.check(&focus).map_err(Error::from)?;
    match &page.output {
        Some(path) => write_file(path, &html::standalone(&data, &focus)),
        None => server::serve(Server::new(data, runner, compute, focus), "/", &page.serve),
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    headscope::trace::write_atomically(path, |out| out.write_all(text.as_bytes())).map_err(Error::from)?;
    note(&printable(&format!("wrote {} ({})", path.display(), size(text.len()))));
    Ok(())
}

/// Bytes as a person reads them.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Writes to stderr what is to be read while it grows.
pub fn note_part(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Text that a terminal shows rather than obeys: control characters, those that turn the direction
/// of writing, and invisible ones escaped. (Joiners stay: emoji and several scripts need them.)
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let obeyed = c.is_control()
            || matches!(
                c,
                '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            )
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if obeyed {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\nd é 猫"), "a\\u{1b}[31mb\\u{202e}c\\u{a}d é 猫");
        assert_eq!(
            printable("\u{9b}2J\u{feff}\u{200b}👩\u{200d}🚀"),
            "\\u{9b}2J\\u{feff}\\u{200b}👩\u{200d}🚀"
        );
    }

    #[test]
    fn sizes_read_well() {
        let sizes = [999, 1_000, 300_400, 66_446_128, 13_476_850_000].map(size);
        assert_eq!(sizes, ["999 B", "1 KB", "300 KB", "66.4 MB", "13.48 GB"]);
    }
}
