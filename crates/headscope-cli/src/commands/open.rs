//! `headscope open t.safetensors`: show a saved trace. No model is needed, nor looked for.

use anyhow::Result;
use headscope::view::ViewData;
use headscope::{Error, Trace};

use super::show;
use crate::args::OpenArgs;
use crate::source;

pub fn run(args: &OpenArgs) -> Result<()> {
    let trace = Trace::open(&args.file).map_err(Error::from)?;
    let data = ViewData::new(trace).map_err(Error::from)?;
    show(data, None, source::compute_on(None)?, &args.page)
}
