//! Everything that CI checks, with what it needs installed first.

use std::env;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::tools::{self, cargo, command, finish, has_modules, parity, release_binary, succeeds};
use crate::{python, sanitize, web};

type Step = fn() -> Result<()>;

/// The steps, in the order in which a failure is cheapest to find.
const STEPS: &[(&str, Step)] = &[
    ("format", format),
    ("lints", lints),
    ("front end", web::check),
    ("tests", tests),
    ("sanitizer", sanitizer_if_possible),
    ("documentation", documentation),
    ("python", python::check),
    ("browser", browser),
    ("parity", parity_if_possible),
];

/// Runs all steps, or those named.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == name)) {
        let steps: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
        bail!("no step is called {unknown:?}; there are {}", steps.join(", "));
    }
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name)) {
        eprintln!("\n── {name} ──");
        let begun = Instant::now();
        step()?;
        eprintln!("{name}: {:.0} s", begun.elapsed().as_secs_f64());
    }
    eprintln!("\nAll is well.");
    Ok(())
}

fn format() -> Result<()> {
    tools::run(".", &cargo(), &["fmt", "--all", "--check"])
}

fn lints() -> Result<()> {
    tools::run(".", &cargo(), &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

fn tests() -> Result<()> {
    tools::run(".", &cargo(), &["test", "--workspace", "--locked"])
}

fn sanitizer_if_possible() -> Result<()> {
    if sanitize::possible() {
        return sanitize::run();
    }
    eprintln!("skipped: a stable toolchain brings the address sanitizer along on x86-64 Linux only");
    Ok(())
}

fn documentation() -> Result<()> {
    let mut doc = command(".", &cargo(), &["doc", "--workspace", "--no-deps", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    finish(doc)
}

/// The binary that users build, in a real browser.
fn browser() -> Result<()> {
    let chromium = chromium()?;
    let mut tests = command("web", "npm", &["run", "--silent", "test:browser"]);
    tests.env("HEADSCOPE_BIN", release_binary()?).env("CHROMIUM", chromium);
    finish(tests)
}

/// A Chromium on this machine, installed where that is possible.
pub fn chromium() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    if succeeds("apt-get", &["--version"]) {
        tools::run(".", "apt-get", &["update", "-qq"])?;
        tools::run(".", "apt-get", &["install", "-y", "-qq", "--no-install-recommends", "chromium"])?;
    }
    match find_chromium() {
        Some(found) => Ok(found),
        None => bail!("this needs Chromium; install it, or name its program in CHROMIUM"),
    }
}

fn find_chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.exists())
}

/// Torch is too large to install for this; where it is at hand, it is asked.
fn parity_if_possible() -> Result<()> {
    if has_modules("torch, transformers, safetensors") {
        return parity(&[]);
    }
    eprintln!(
        "skipped: Python here has no torch and transformers (the recorded references were checked above)"
    );
    Ok(())
}
