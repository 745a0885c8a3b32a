//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::Model;

use super::{show, view_data};
use crate::args::ViewArgs;
use crate::server::Runner;
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let text = args.text.as_deref().unwrap_or_default();
    let compute = source::compute(&args.model)?;
    let model = Model::load(&source::find(&args.model)?, &compute)?;
    let encoding = model.encode(text, args.pair.as_deref(), args.length.truncate)?;
    let data = view_data(&model, encoding)?;
    show(data, Some(Runner { model, truncate: args.length.truncate }), compute, &args.page)
}
