//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::Model;

use super::show;
use crate::args::ViewArgs;
use crate::runner::{Given, Runner};
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let compute = source::compute(&args.model)?;
    let model = Model::load(&source::find(&args.model)?, &compute)?;
    let texts = Given::of(args.text.as_deref(), args.pair.as_deref(), &args.target);
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    let data = runner.view(texts)?;
    show(data, Some(runner), compute, &args.page)
}
