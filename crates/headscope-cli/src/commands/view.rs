//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::Model;

use super::show;
use crate::args::ViewArgs;
use crate::runner::Runner;
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let text = args.text.as_deref().unwrap_or_default();
    let compute = source::compute(&args.model)?;
    let model = Model::load(&source::find(&args.model)?, &compute)?;
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    let data = runner.view(text, args.pair.as_deref())?;
    show(data, Some(runner), compute, &args.page)
}
