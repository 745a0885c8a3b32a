//! What `cargo xtask bench` runs of headscope, one process for each thing it measures.

mod limits;
mod lse;
mod make;
mod serve;

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use headscope::{Compute, Isa};

const USAGE: &str = "\
usage: headscope-bench make NAME FOLDER        write a seeded model
       headscope-bench serve FOLDER THREADS    run a model, one line on stdin at a time
       headscope-bench lse TOKENS THREADS      the log-sum-exp pass";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headscope-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", name, folder] => make::make(name, folder),
        ["serve", folder, threads] => serve::serve(folder, &compute(threads)?),
        ["lse", tokens, threads] => lse::time(tokens.parse().context("TOKENS")?, &compute(threads)?),
        _ => bail!("{USAGE}"),
    }
}

/// The best instructions of this processor, or those named by `HEADSCOPE_ISA` as for the command.
fn compute(threads: &str) -> Result<Compute> {
    let isa = match env::var("HEADSCOPE_ISA") {
        Ok(name) => name.parse().context("HEADSCOPE_ISA")?,
        Err(_) => Isa::detect(),
    };
    Ok(Compute::new(threads.parse().context("THREADS")?, isa))
}
