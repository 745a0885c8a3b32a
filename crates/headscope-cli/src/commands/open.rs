//! `headscope open t.safetensors`: show a saved trace. No model is needed, nor looked for.

use anyhow::Result;
use headscope::view::ViewData;
use headscope::{Error, Trace, engine};

use super::show;
use crate::args::OpenArgs;
use crate::source;

pub fn run(args: &OpenArgs) -> Result<()> {
    let trace = Trace::open(&args.file).map_err(Error::from)?;
    let compute = source::compute_on(None)?;
    // The kernels are quicker than the plain loops of a trace, by far where a long text has no patterns recorded.
    let fast = |trace: &Trace, attn, head| engine::pattern(&compute, trace, attn, head);
    let data = ViewData::with_patterns(trace, fast).map_err(Error::from)?;
    show(data, None, compute, &args.page)
}
