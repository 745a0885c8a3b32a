//! `cargo xtask NAME`: what takes more than cargo.

mod bench;
mod python;
mod sanitize;
mod test;
mod tools;
mod web;

use std::process::ExitCode;

use anyhow::Result;

/// A command: its name, what it does, how.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        about: "everything CI checks: format, lints, tests, front end, browser",
        run: test::run,
    },
    Task {
        name: "wheel",
        about: "build the Python package into target/python/wheels",
        run: |_| python::wheel().map(drop),
    },
    Task { name: "web", about: "build the front end into crates/headscope-view/dist", run: |_| web::build() },
    Task {
        name: "kernel",
        about: "build the WebAssembly that computes a page's patterns, then the front end (needs rustup)",
        run: |_| web::kernel(),
    },
    Task { name: "gallery", about: "take the pictures of docs/gallery.md", run: |_| web::gallery() },
    Task {
        name: "sanitize",
        about: "run the kernels' tests under the address sanitizer",
        run: |_| sanitize::run(),
    },
    Task {
        name: "fixtures",
        about: "make the golden references again (needs Python with torch and transformers)",
        run: |args| tools::python("fixtures/make.py", args),
    },
    Task {
        name: "parity",
        about: "compare with transformers over many texts (needs Python with torch and transformers)",
        run: |args| tools::parity(args),
    },
    Task {
        name: "bench",
        about: "time passes and whole processes beside PyTorch, ONNX Runtime and candle (installs them); --web: the page",
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("usage: cargo xtask NAME\n");
        for Task { name, about, .. } in TASKS {
            eprintln!("  {name:<10}{about}");
        }
        return ExitCode::from(2);
    };
    match (task.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
