//! `cargo xtask bench --notebook`: the Python package beside transformers and bertviz.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::cold::{PAIR, Row, take_turns};
use super::peers::Peers;
use super::report::{keep_section, today};
use super::{USAGE, machine};
use crate::python;
use crate::tools::{root, target};

const HEADING: &str = "## The notebook";

/// The lengths at which attention is given to a view; bertviz takes gigabytes at the last one.
const LENGTHS: [(usize, &[&str]); 2] =
    [(128, &["headscope", "bertviz", "none"]), (512, &["headscope", "none"])];

/// Measures, and writes the section of `BENCHMARKS.md` when nothing else is asked for.
pub fn run(args: &[String]) -> Result<()> {
    let is_quick = match args {
        [] => false,
        [quick] if quick == "--quick" => true,
        _ => bail!(USAGE),
    };
    let peers = Peers::without_candle()?;
    if !peers.has_pytorch() || !peers.has_bertviz() {
        bail!("this compares with transformers and bertviz, which this Python lacks: name another in PYTHON");
    }
    let package = python::beside(peers.python(), &python::wheel()?)?;
    let turns = if is_quick { 2 } else { 5 };
    let mut section = format!("{HEADING}\n\n{}", describe(&peers, turns));
    section += &format!("\n\n### The lesson's cell\n\n{}", take_turns(cell(&peers, &package), turns)?);
    for (tokens, libraries) in LENGTHS {
        let rows = libraries.iter().map(|library| head_view(&peers, &package, library, tokens)).collect();
        let table = take_turns(rows, turns.min(3))?;
        section += &format!("\n\n### `head_view` of 12 x 12 x {tokens} x {tokens} weights\n\n{table}\n");
        for library in libraries.iter().filter(|library| **library != "none") {
            let bytes = fs::metadata(page(library, tokens))?.len();
            section += &format!("\nOutput of {library}: {:.1} MB.", bytes as f64 / 1e6);
        }
    }
    println!("\n{section}");
    if args.is_empty() {
        keep_section(&section)?;
    }
    Ok(())
}

fn describe(peers: &Peers, turns: usize) -> String {
    let version = |package| peers.version(package).unwrap_or("?");
    format!(
        "`cargo xtask bench --notebook`, on {}; on {}. Whole processes of Python in {turns} turns (3 at most with \
         given weights), files in the page cache; torch {}, transformers {}, bertviz {}. Times within a process are \
         of its own clock: `import` that of the package, `view` from the library's import to the cell's output.",
        machine::description(),
        today(),
        version("torch"),
        version("transformers"),
        version("bertviz"),
    )
}

/// \"The cat…\" and \"The dog…\" with gte-small: what is imported, loaded, run, drawn and written.
fn cell(peers: &Peers, package: &Path) -> Vec<Row> {
    let gte_small = root().join("models/gte-small").display().to_string();
    let mut ours = peers.script("cell_headscope.py", &[PAIR[0], PAIR[1], &page("headscope", 15)]);
    ours.env("PYTHONPATH", package);
    let theirs = peers.script("cell.py", &[&gte_small, PAIR[0], PAIR[1], &page("bertviz", 15)]);
    vec![Row::new("headscope", ours), Row::new("transformers, bertviz", theirs)]
}

fn head_view(peers: &Peers, package: &Path, library: &str, tokens: usize) -> Row {
    let mut command = peers.script("head_view.py", &[library, &tokens.to_string(), &page(library, tokens)]);
    command.env("PYTHONPATH", package);
    Row::new(if library == "none" { "torch and the tensors alone" } else { library }, command)
}

fn page(library: &str, tokens: usize) -> String {
    target().join(format!("bench/{library}-{tokens}.html")).display().to_string()
}
