//! The front end: built from `web/` into the crate that carries it, so that cargo needs no Node.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools::{release_binary, root, run};

/// The workbench, and the lesson with the workbench inside.
const BUNDLES: [&str; 2] =
    ["crates/headscope-view/dist/headscope.js", "crates/headscope-view/dist/lesson.js"];

/// Installs what the front end is built with, exactly as locked.
pub fn install() -> Result<()> {
    run("web", "npm", &["ci", "--no-audit", "--no-fund"])
        .context("Node 20 or newer with npm builds the front end")
}

/// Builds the bundles in place.
pub fn build() -> Result<()> {
    install()?;
    run("web", "npm", &["run", "--silent", "build"])
}

/// Checks types, runs the unit tests, and fails if a bundle is not what its sources build.
pub fn check() -> Result<()> {
    install()?;
    run("web", "npm", &["run", "--silent", "check"])?;
    run("web", "npm", &["run", "--silent", "test"])?;
    let read = |bundle: &str| fs::read(root().join(bundle)).with_context(|| format!("no {bundle}"));
    let committed = BUNDLES.map(read);
    run("web", "npm", &["run", "--silent", "build"])?;
    for (bundle, committed) in BUNDLES.into_iter().zip(committed) {
        if read(bundle)? != committed? {
            bail!("{bundle} is not what web/ builds; it has been built anew, commit it");
        }
    }
    Ok(())
}

/// Takes the pictures of the gallery anew, with the Chromium of this machine.
pub fn gallery() -> Result<()> {
    build()?;
    let binary = release_binary()?.display().to_string();
    run("web", "node", &["gallery.mjs", &binary, "../docs/gallery"])
}
