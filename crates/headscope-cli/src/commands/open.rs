//! `headscope open t.safetensors`: show a saved trace. No model is needed, nor looked for.

use std::path::Path;

use anyhow::Result;
use headscope::view::ViewData;
use headscope::{Compute, Error, Trace, engine};

use super::show;
use crate::args::OpenArgs;
use crate::source;

pub fn run(args: &OpenArgs) -> Result<()> {
    let compute = source::compute_on(None)?;
    let data = data(&args.file, &compute)?;
    show(data, None, compute, &args.page)
}

/// A saved trace, made ready to be shown.
pub fn data(file: &Path, compute: &Compute) -> Result<ViewData> {
    let trace = Trace::open(file).map_err(Error::from)?;
    // The kernels are quicker than the plain loops of a trace, by far where a long text has no patterns recorded.
    let fast = |trace: &Trace, attn, head| engine::pattern(compute, trace, attn, head);
    Ok(ViewData::with_patterns(trace, fast).map_err(Error::from)?)
}
