//! The `headscope` command.
//!
//! Data goes to stdout, the rest to stderr; the exit code is 0, 1 for a failure, 2 for usage.

mod args;
mod commands;
mod server;
mod source;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => commands::view::run(&cli.view),
        Some(Command::Trace(args)) => commands::trace::run(&args),
        Some(Command::Open(args)) => commands::open::run(&args),
        Some(Command::Tokens(args)) => commands::tokens::run(&args),
        Some(Command::Models(args)) => commands::models::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // whoever read us has seen enough
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// `error: what: why`, and on a line of its own how to go on.
fn report(error: &anyhow::Error) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "error: {error:#}");
    if let Some(help) = commands::help_of(error) {
        let _ = writeln!(err, "help: {help}");
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
