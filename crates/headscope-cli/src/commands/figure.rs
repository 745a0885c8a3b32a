//! `headscope figure "A" ["B"] -o fig.svg`: run, or read a saved trace, and draw.

use std::path::Path;

use anyhow::Result;
use headscope::Error;
use headscope::view::render::figure::{self, Settings};

use super::{Hinted, open, view, write_file};
use crate::args::FigureArgs;
use crate::runner::Given;
use crate::source;

pub fn run(args: &FigureArgs) -> Result<()> {
    check_ending(&args.output)?; // before the model has run
    let compute = source::compute(&args.model)?;
    let data = match &args.trace {
        Some(file) => open::data(file, &compute)?,
        None => {
            let given = Given::of(args.text.as_deref(), args.pair.as_deref(), &args.target);
            view::data(&args.model, &compute, given, args.length.truncate, args.generation.read())?.0
        }
    };
    let settings = Settings {
        view: args.view.into(),
        part: args.part.map(Into::into),
        layer: args.layer,
        heads: args.head.clone(),
        token: args.token,
        theme: args.theme.into(),
    };
    let figure = figure::draw(&data, &settings).map_err(Error::from)?;
    write_file(&args.output, figure.svg())
}

/// Figures are SVG, and a file of another name would be opened as what it is not.
fn check_ending(path: &Path) -> Result<(), Hinted> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
        return Ok(());
    }
    let what = format!("cannot write {}: figures are written as SVG", path.display());
    let svg = path.with_extension("svg");
    let help =
        format!("name it {}, which browsers print to PDF; Export in the workbench saves PNG", svg.display());
    Err(Hinted { what, help })
}
