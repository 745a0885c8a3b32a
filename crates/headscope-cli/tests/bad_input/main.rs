//! Bad input gets one line that names the thing, what was expected and what was found, a way out
//! where there is one, and leaves nothing half-written behind.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

#[path = "../support/mod.rs"]
mod support;

mod configurations;
mod files;
mod folders;
mod texts;
mod weights;

use std::fs;
use std::path::Path;

use headscope::Trace;
use serde_json::{Value, json};
use support::{
    Outcome, Room, edit_json, edit_tensors, finish, headscope, in_shell, join, offset, repository, split,
};

/// Traces with the model of `room` and checks what it says; nothing may be written.
#[track_caller]
fn refused(room: &Room, expected: &[&str], help: Option<&str>) {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    headscope(&["trace", "the cat", "-m", &model, "-o", &file]).failed(expected, help);
    assert!(room.names("out").is_empty());
}

/// Runs the command in 2 GB of addresses, where the system can limit them.
const LITTLE_MEMORY: &str =
    if cfg!(target_os = "linux") { r#"ulimit -v 2000000; exec "$0" "$@""# } else { r#"exec "$0" "$@""# };

/// Traces under a limit on memory that no claimed size fits into.
fn in_little_memory(room: &Room) -> Outcome {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    in_shell(LITTLE_MEMORY, &["trace", "the cat", "--threads", "2", "-m", &model, "-o", &file])
}

/// What is done to a model's folder, and what is said of it then, and the way out.
type Spoiled<'a> = (fn(&Path), &'a [&'a str], Option<&'a str>);

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn unlink(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

fn folder(folder: &Path, name: &str) {
    let _ = fs::remove_file(folder.join(name));
    fs::create_dir(folder.join(name)).unwrap();
}
