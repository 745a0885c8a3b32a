//! The front end: built from `web/` into the crate that carries it, so that cargo needs no Node.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools::{cargo, command, finish, release_binary, root, run, succeeds, target};

/// The workbench, and the lesson with the workbench inside.
const BUNDLES: [&str; 2] =
    ["crates/headscope-view/dist/headscope.js", "crates/headscope-view/dist/lesson.js"];

/// What computes a page's patterns, built from `crates/headscope-wasm`.
const KERNEL: &str = "web/src/model/attention.wasm";
const WASM: &str = "wasm32-unknown-unknown";

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

/// Builds the page's kernel in place; the bundles then have to follow.
pub fn kernel() -> Result<()> {
    run(".", "rustup", &["target", "add", WASM])?;
    fs::write(root().join(KERNEL), built_kernel()?)?;
    build()
}

/// Builds the kernel with the compiler that is here, which must have nothing to complain about.
fn built_kernel() -> Result<Vec<u8>> {
    let package = ["--package", "headscope-wasm", "--lib", "--target", WASM, "--locked"];
    let lints: &[&str] = &["--", "-D", "warnings"];
    for (task, options) in [("clippy", lints), ("build", &["--profile", "wasm"])] {
        let mut task = command(".", &cargo(), &[&[task], package.as_slice(), options].concat());
        task.env_remove("RUSTFLAGS"); // they would stand for those of `.cargo/config.toml`
        finish(task)?;
    }
    let path = target().join(WASM).join("wasm/headscope_wasm.wasm");
    fs::read(&path).with_context(|| format!("no {}", path.display()))
}

/// Fails if the kernel is not what its source builds. Another compiler may rightly build other bytes: they are compared
/// by the one that built what is committed.
fn check_kernel() -> Result<()> {
    if !succeeds("rustup", &["target", "add", WASM]) {
        eprintln!("skipped: the page's kernel was not built, since rustup cannot add {WASM}");
        return Ok(());
    }
    let built = built_kernel()?;
    let committed = fs::read(root().join(KERNEL)).with_context(|| format!("no {KERNEL}"))?;
    if producers(&built) != producers(&committed) {
        eprintln!(
            "skipped: {KERNEL} was built by another compiler, and is not compared with what this one builds"
        );
    } else if built != committed {
        bail!("{KERNEL} is not what crates/headscope-wasm builds; `cargo xtask kernel` builds it anew");
    }
    Ok(())
}

/// What ends a module: the list of what produced it, with versions.
fn producers(module: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"producers";
    module.windows(NAME.len()).position(|bytes| bytes == NAME).map(|at| &module[at..])
}

/// Checks types, runs the unit tests, and fails if a bundle or the kernel inside is not what its sources build.
pub fn check() -> Result<()> {
    check_kernel()?;
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
