//! Running other programs in the project's folder.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project")
}

/// A program that is run in `folder`, below the project.
pub fn command(folder: &str, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root().join(folder));
    command
}

/// Runs a program; its failure is ours.
pub fn run(folder: &str, program: &str, args: &[&str]) -> Result<()> {
    finish(command(folder, program, args))
}

/// Runs a prepared command; its failure is ours.
pub fn finish(mut command: Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let args: Vec<String> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let line = format!("{program} {}", args.join(" "));
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start {program}; is it installed?"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Whether a program starts and succeeds, quietly.
pub fn succeeds(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Cargo, as it was called.
pub fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Where builds go.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}

/// Builds the binary as a user does, and says where it is.
pub fn release_binary() -> Result<PathBuf> {
    run(".", &cargo(), &["build", "--release", "--locked", "--package", "headscope-cli"])?;
    Ok(target().join("release").join(format!("headscope{}", env::consts::EXE_SUFFIX)))
}

/// The Python to use: `PYTHON`, or `python3`.
pub fn interpreter() -> String {
    env::var("PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Whether our Python has these modules.
pub fn has_modules(modules: &str) -> bool {
    succeeds(interpreter(), &["-c", &format!("import {modules}")])
}

/// Runs one of the project's Python scripts.
pub fn python(script: &str, args: &[String]) -> Result<()> {
    let args: Vec<&str> = std::iter::once(script).chain(args.iter().map(String::as_str)).collect();
    run(".", &interpreter(), &args)
}

/// Holds the binary against transformers.
pub fn parity(args: &[String]) -> Result<()> {
    let binary = release_binary()?.display().to_string();
    python("fixtures/parity.py", &[&[binary], args].concat())
}
