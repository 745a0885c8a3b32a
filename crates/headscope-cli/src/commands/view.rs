//! `headscope "TEXT A" ["TEXT B"]`: run and show.

use anyhow::Result;
use headscope::view::ViewData;
use headscope::{AnyModel, Compute, Generation};

use super::{look, show};
use crate::args::{ModelArgs, ViewArgs};
use crate::runner::{Given, Runner};
use crate::source;

pub fn run(args: &ViewArgs) -> Result<()> {
    let compute = source::compute(&args.model)?;
    let given = Given::of(args.text.as_deref(), args.pair.as_deref(), &args.target);
    let (data, runner) = data(&args.model, &compute, given, args.length.truncate, args.generation.read())?;
    show(data, runner, compute, &args.page)
}

/// What is given, run and made ready to be shown; with what runs more texts, where the model reads texts.
pub fn data(
    model: &ModelArgs,
    compute: &Compute,
    given: Given<'_>,
    truncate: bool,
    generation: Option<Generation>,
) -> Result<(ViewData, Option<Runner>)> {
    let model = match AnyModel::load(&source::find(model)?, compute)? {
        AnyModel::Text(model) => model,
        AnyModel::Image(model) => {
            look::only(&model, generation.is_some())?;
            return Ok((look::view(&model, given.text, given.second)?, None));
        }
    };
    source::no_image(&model.engine().card().id, &[Some(given.text), given.second])?;
    let runner = Runner { model, truncate, generation };
    Ok((runner.view(given)?, Some(runner)))
}
