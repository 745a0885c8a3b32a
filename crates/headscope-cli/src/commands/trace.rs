//! `headscope trace "A" ["B"] -o t.safetensors`: run and write.

use std::time::Instant;

use anyhow::Result;
use headscope::text::Tokenizer;
use headscope::{AnyModel, Encoding, Error, Input, Trace};

use super::{look, note, printable, size};
use crate::args::{TargetArgs, TraceArgs};
use crate::runner::{Given, Runner};
use crate::source;

pub fn run(args: &TraceArgs) -> Result<()> {
    let start = Instant::now();
    let trace = trace(args)?;
    trace.save(&args.output).map_err(Error::from)?;
    let bytes: usize = trace.values().map(|(_, value)| value.len() * 4).sum();
    note(&printable(&format!(
        "wrote {}: {}, {} sites, {} in {:.0} ms",
        args.output.display(),
        lengths(&trace),
        trace.values().count(),
        size(bytes),
        start.elapsed().as_secs_f64() * 1e3,
    )));
    Ok(())
}

fn lengths(trace: &Trace) -> String {
    match &trace.target {
        Some(target) => format!("{} tokens and {} of the target", trace.encoding.len(), target.len()),
        None => format!("{} tokens", trace.encoding.len()),
    }
}

fn trace(args: &TraceArgs) -> Result<Trace, anyhow::Error> {
    let (files, compute) = (source::find(&args.model)?, source::compute(&args.model)?);
    let TargetArgs { target, decoder_ids } = &args.target;
    if let (Some(ids), None) = (&args.ids, target) {
        let tokenizer = files.tokenizer().ok();
        let encode = |ids: &Vec<u32>| encode_ids(tokenizer.as_ref(), ids);
        let target = decoder_ids.as_ref().map(encode).transpose()?;
        let input = Input { target, ..Input::from(encode(ids)?) };
        let model = headscope::engine::Model::load(&files.checkpoint, &compute).map_err(Error::from)?;
        let sites = model.sites(&args.sites).map_err(Error::from)?;
        return Ok(model.trace(input, &sites).map_err(Error::from)?);
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
    if let Some(ids) = &args.ids {
        let text = encode_ids(Some(model.tokenizer()), ids)?;
        let target = target.as_deref().map(|text| model.encode_target(text, false)).transpose()?;
        return Ok(model.trace_encoding(Input { target, ..Input::from(text) }, &sites)?);
    }
    let texts = Given::of(args.text.as_deref(), args.pair.as_deref(), &args.target);
    let runner = Runner { model, truncate: args.length.truncate, generation: args.generation.read() };
    Ok(runner.trace(texts, &sites)?)
}

/// Raw ids. Pieces are a courtesy here: ids are run without a tokenizer, too.
fn encode_ids(tokenizer: Option<&Tokenizer>, ids: &[u32]) -> Result<Encoding, Error> {
    Ok(match tokenizer {
        Some(tokenizer) => tokenizer.ids(ids)?,
        None => Encoding::from_ids(ids, |id| format!("<{id}>")),
    })
}
