//! `headscope pull ID`: a model from the Hub into the cache.

use anyhow::Result;
use headscope::Error;
use headscope::engine::hub::FileName;

use super::{Hinted, print, printable};
use crate::args::PullArgs;
use crate::hub::{self, Terminal, Wanted};
use crate::source;

pub fn run(args: &PullArgs) -> Result<()> {
    if let Some(why) = hub::offline(false) {
        let what = format!("{why} forbids the network, which pull needs");
        return Err(Hinted { what, help: format!("run it as {why}=0 headscope pull {}", args.id) }.into());
    }
    let (id, file) =
        hub::split_gguf(&args.id).map_or((args.id.as_str(), None), |(id, file)| (id, Some(file)));
    let file = file.map(FileName::parse).transpose().map_err(Error::from)?;
    let wanted = Wanted { id, revision: args.revision.as_deref(), file: file.as_ref() };
    let pulled = hub::pull(wanted, &source::cache(), &Terminal)?;
    pulled.report(&Terminal);
    if args.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&pulled)?));
    }
    print(&format!("{}\n", printable(&pulled.path.display().to_string())))
}
