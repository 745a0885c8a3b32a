//! Which model is meant, where it is, and what computes.

use std::path::Path;

use anyhow::{Context, Result};
use headscope::engine::Cache;
use headscope::{Compute, Isa, ModelFiles};

use crate::args::ModelArgs;

/// The cache that Python's libraries use.
pub fn cache() -> Cache {
    Cache::from_env(|name| std::env::var_os(name))
}

/// Finds a model: a folder by that name, else the embedded one, else the cache.
pub fn find(args: &ModelArgs) -> Result<ModelFiles> {
    let name = &args.model;
    let files = if Path::new(name).join("config.json").exists() {
        ModelFiles::open(name)?
    } else if name == headscope_gte_small::ID && args.revision.is_none() {
        use headscope_gte_small::{CONFIG, ID, TOKENIZER, WEIGHTS};
        return Ok(ModelFiles::embedded(ID, CONFIG, WEIGHTS, TOKENIZER));
    } else if Path::new(name).is_dir() {
        ModelFiles::open(name)? // says what is missing
    } else {
        let folder = cache().find(name, args.revision.as_deref()).map_err(headscope::Error::from)?;
        ModelFiles::open(folder)?
    };
    let mut files = files;
    files.checkpoint.id.clone_from(name);
    files.checkpoint.revision.clone_from(&args.revision);
    Ok(files)
}

/// The threads asked for, or one per core, and the best instructions of this processor, or those
/// named by `HEADSCOPE_ISA`.
pub fn compute(args: &ModelArgs) -> Result<Compute> {
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let isa = match std::env::var("HEADSCOPE_ISA") {
        Ok(name) => name.parse().context("HEADSCOPE_ISA")?,
        Err(_) => Isa::detect(),
    };
    Ok(Compute::new(threads, isa))
}
