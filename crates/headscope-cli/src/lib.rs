//! The `headscope` command, as a library: a binary and the Python package both start it.
//!
//! Data goes to stdout, the rest to stderr; the exit code is 0, 1 for a failure, 2 for usage.

mod args;
mod commands;
mod hub;
mod lesson;
mod runner;
mod server;
mod source;

use std::ffi::OsString;
use std::io;

use args::{Cli, Command};
use commands::printable;

pub use args::ModelArgs;
pub use commands::help_of;
pub use hub::{Audience, Progress, Terminal};
pub use runner::{sites_of_view, view_of};
pub use source::{compute_on, find_before};

/// Runs the command with its arguments, the program's name first; returns the exit code.
pub fn run(args: &[OsString]) -> u8 {
    if args.len() <= 1 {
        commands::note(&format!(
            "headscope: see what every attention head attends to\n\n{}\n",
            args::EXAMPLES
        ));
        commands::note("`headscope --help` tells the rest.");
        return 2;
    }
    let cli = match Cli::read(args) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print(); // help, or what is wrong with the arguments
            return e.exit_code() as u8;
        }
    };
    let outcome = match cli.command {
        None => commands::view::run(&cli.view),
        Some(Command::Trace(args)) => commands::trace::run(&args),
        Some(Command::Figure(args)) => commands::figure::run(&args),
        Some(Command::Open(args)) => commands::open::run(&args),
        Some(Command::Learn(args)) => commands::learn::run(&args),
        Some(Command::Tokens(args)) => commands::tokens::run(&args),
        Some(Command::Models(args)) => commands::models::run(&args),
        Some(Command::Pull(args)) => commands::pull::run(&args),
        Some(Command::Completions { shell }) => commands::print(&args::completions(shell)),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) if is_broken_pipe(&error) => 0, // whoever read us has seen enough
        Err(error) => {
            report(&error);
            1
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
