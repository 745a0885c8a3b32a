//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::Model;

use super::{input, show, view_data};
use crate::args::ViewArgs;
use crate::server::Runner;
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let compute = source::compute(&args.model)?;
    let model = Model::load(&source::find(&args.model)?, &compute)?;
    let texts = [args.text.as_deref(), args.pair.as_deref()];
    let data = view_data(&model, input(&model, texts, &args.target, args.length.truncate)?)?;
    show(data, Some(Runner { model, truncate: args.length.truncate }), compute, &args.page)
}
