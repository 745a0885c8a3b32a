//! The `headscope` command.
//!
//! Data goes to stdout, the rest to stderr; the exit code is 0, 1 for a failure, 2 for usage.

mod args;
mod commands;
mod hub;
mod lesson;
mod runner;
mod server;
mod source;

use std::io;
use std::process::ExitCode;

use args::{Cli, Command};
use commands::printable;

fn main() -> ExitCode {
    if std::env::args_os().len() <= 1 {
        commands::note(&format!(
            "headscope: see what every attention head attends to\n\n{}\n",
            args::EXAMPLES
        ));
        commands::note("`headscope --help` tells the rest.");
        return ExitCode::from(2);
    }
    let cli = Cli::read();
    let outcome = match cli.command {
        None => commands::view::run(&cli.view),
        Some(Command::Trace(args)) => commands::trace::run(&args),
        Some(Command::Open(args)) => commands::open::run(&args),
        Some(Command::Learn(args)) => commands::learn::run(&args),
        Some(Command::Tokens(args)) => commands::tokens::run(&args),
        Some(Command::Models(args)) => commands::models::run(&args),
        Some(Command::Pull(args)) => commands::pull::run(&args),
        Some(Command::Completions { shell }) => commands::print(&args::completions(shell)),
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
    commands::note(&printable(&format!("error: {error:#}")));
    if let Some(help) = commands::help_of(error) {
        commands::note(&printable(&format!("help: {help}")));
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
