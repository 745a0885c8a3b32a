//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::AnyModel;

use super::{look, show};
use crate::args::ViewArgs;
use crate::runner::{Given, Runner};
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let compute = source::compute(&args.model)?;
    let (text, pair) = (args.text.as_deref().unwrap_or_default(), args.pair.as_deref());
    let model = match AnyModel::load(&source::find(&args.model)?, &compute)? {
        AnyModel::Text(model) => model,
        AnyModel::Image(model) => {
            look::only(&model, args.generation.read().is_some())?;
            return show(look::view(&model, text, pair)?, None, compute, &args.page);
        }
    };
    source::no_image(&model.engine().card().id, &[Some(text), pair])?;
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    let data = runner.view(Given::of(Some(text), pair, &args.target))?;
    show(data, Some(runner), compute, &args.page)
}
