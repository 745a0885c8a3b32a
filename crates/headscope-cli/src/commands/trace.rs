//! `headscope trace "A" ["B"] -o t.safetensors`: run and write.

use std::time::Instant;

use anyhow::Result;
use headscope::{Encoding, Error, Model, Trace};

use super::{note, printable, size};
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
    let model = Model::load(&files, &compute)?;
    let sites = model.engine().sites(&args.sites).map_err(Error::from)?;
    let text = args.text.as_deref().unwrap_or_default();
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    Ok(runner.trace(text, args.pair.as_deref(), &sites)?)
}
