//! One file per command.

pub mod models;
pub mod open;
pub mod tokens;
pub mod trace;
pub mod view;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use headscope::view::render::html;
use headscope::view::{Focus, Part, ViewData};
use headscope::{Compute, Error, Input, Model, Sites};

use crate::args::{self, PageArgs, TargetArgs};
use crate::server::{self, Runner, Server};

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

/// What a model with its tokenizer reads: the texts given, and a target that is given beside them.
pub fn input(
    model: &Model,
    texts: [Option<&str>; 2],
    target: &TargetArgs,
    truncate: bool,
) -> Result<Input, Error> {
    let [text, second] = texts;
    let input = model.input(text.unwrap_or_default(), second, truncate)?;
    let target = match (&target.target, &target.decoder_ids) {
        (Some(text), _) => Some(model.encode_target(text, truncate)?),
        (None, Some(ids)) => Some(model.tokenizer().ids(ids)?),
        (None, None) => input.target,
    };
    Ok(Input { target, ..input })
}

/// Runs what the model reads and makes it ready to be shown.
pub fn view_data(model: &Model, input: Input) -> Result<ViewData, Error> {
    let start = Instant::now();
    let trace = model.trace_encoding(input, &Sites::of_attention(model.engine(), &ViewData::POINTS))?;
    let elapsed = start.elapsed();
    let mut data = ViewData::new(trace)?;
    data.traced_ms = Some(elapsed.as_secs_f64() * 1e3);
    Ok(data)
}

/// Writes the page, or serves it until Ctrl-C. With a model the texts can be edited.
pub fn show(data: ViewData, runner: Option<Runner>, compute: Compute, page: &PageArgs) -> Result<()> {
    let view = page.view.and_then(|view| Some(view.to_possible_value()?.get_name().to_owned()));
    let part = page.part.map(|part| match part {
        args::Part::Encoder => Part::Encoder,
        args::Part::Decoder => Part::Decoder,
        args::Part::Cross => Part::Cross,
    });
    let layer = page.layer.or(part.and(Some(0)));
    let layer = layer.map(|layer| data.place_of(part, layer)).transpose().map_err(Error::from)?;
    let focus = Focus { view, layer, head: page.head };
    data.check(&focus).map_err(Error::from)?;
    match &page.output {
        Some(path) => write_page(path, &html::standalone(&data, &focus)),
        None => server::serve(Server::new(data, runner, compute, focus), page.port, !page.no_browser),
    }
}

fn write_page(path: &Path, html: &str) -> Result<()> {
    headscope::trace::write_atomically(path, |out| out.write_all(html.as_bytes())).map_err(Error::from)?;
    note(&printable(&format!("wrote {} ({})", path.display(), size(html.len()))));
    Ok(())
}

/// Bytes as a person reads them.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
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
        assert_eq!([999, 1_000, 300_400, 66_446_128].map(size), ["999 B", "1 KB", "300 KB", "66.4 MB"]);
    }
}
