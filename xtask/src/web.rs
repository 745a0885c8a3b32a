//! The front end: built from `web/` into the crate that carries it, so that cargo needs no Node.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools::{release_binary, root, run};

const BUNDLE: &str = "crates/headscope-view/dist/headscope.js";

/// Installs what the front end is built with, exactly as locked.
pub fn install() -> Result<()> {
    run("web", "npm", &["ci", "--no-audit", "--no-fund"])
        .context("Node 20 or newer with npm builds the front end")
}

/// Builds the bundle in place.
pub fn build() -> Result<()> {
    install()?;
    run("web", "npm", &["run", "--silent", "build"])
}

/// Checks types, runs the unit tests, and fails if the bundle is not what its sources build.
pub fn check() -> Result<()> {
    install()?;
    run("web", "npm", &["run", "--silent", "check"])?;
    run("web", "npm", &["run", "--silent", "test"])?;
    let committed = fs::read(root().join(BUNDLE)).with_context(|| format!("no {BUNDLE}"))?;
    run("web", "npm", &["run", "--silent", "build"])?;
    if fs::read(root().join(BUNDLE))? != committed {
        bail!("{BUNDLE} is not what web/ builds; it has been built anew, commit it");
    }
    Ok(())
}

/// Takes the pictures of the gallery anew, with the Chromium of this machine.
pub fn gallery() -> Result<()> {
    build()?;
    let binary = release_binary()?.display().to_string();
    run("web", "node", &["gallery.mjs", &binary, "../docs/gallery"])
}
