//! `headscope trace "A" ["B"] -o t.safetensors`: run and write.

use std::time::Instant;

use anyhow::Result;
use headscope::{AnyModel, Encoding, Error, Trace};

use super::{look, note, printable, size};
use crate::args::TraceArgs;
use crate::runner::Runner;
use crate::source;

pub fn run(args: &TraceArgs) -> Result<()> {
    let start = Instant::now();
    let trace = trace(args)?;
    trace.save(&args.output).map_err(Error::from)?;
    let bytes: usize = trace.values().map(|(_, value)| value.len() * 4).sum();
    note(&printable(&format!(
        "wrote {}: {} tokens, {} sites, {} in {:.0} ms",
        args.output.display(),
        trace.encoding.len(),
        trace.values().count(),
        size(bytes),
        start.elapsed().as_secs_f64() * 1e3,
    )));
    Ok(())
}

fn trace(args: &TraceArgs) -> Result<Trace, anyhow::Error> {
    let (files, compute) = (source::find(&args.model)?, source::compute(&args.model)?);
    if let Some(ids) = &args.ids {
        // Pieces are a courtesy here: ids are run without a tokenizer, too.
        let encoding = match files.tokenizer() {
            Ok(tokenizer) => tokenizer.ids(ids).map_err(Error::from)?,
            Err(_) => Encoding::from_ids(ids, |id| format!("<{id}>")),
        };
        let model = headscope::engine::Model::load(&files.checkpoint, &compute).map_err(Error::from)?;
        let sites = model.sites(&args.sites).map_err(Error::from)?;
        return Ok(model.trace(encoding, &sites).map_err(Error::from)?);
    }
    let (text, pair) = (args.text.as_deref().unwrap_or_default(), args.pair.as_deref());
    let model = match AnyModel::load(&files, &compute)? {
        AnyModel::Text(model) => model,
        AnyModel::Image(model) => {
            look::only(&model, args.generation.read().is_some())?;
            return look::trace(&model, text, pair, &args.sites);
        }
    };
    source::no_image(&model.engine().card().id, &[Some(text), pair])?;
    let sites = model.engine().sites(&args.sites).map_err(Error::from)?;
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    Ok(runner.trace(text, pair, &sites)?)
}
