//! Downloads: from a Hub on this machine that is honest, slow, broken or lying.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

#[path = "../support/mod.rs"]
mod support;

mod interruptions;
mod pulls;
mod refusals;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use support::hub::{COMMIT, Hub, Reply, Seen, etag, sha256};
use support::{Outcome, Room, finish};

const REPO: &str = "home/hub/models--org--tiny";
const WEIGHTS: &str = "model.safetensors";

/// A room with a tiny model to serve in `model`, and its Hub.
fn hub(twist: impl Fn(&Seen, Reply) -> Reply + Send + Sync + 'static) -> (Room, Hub) {
    let room = Room::with_model();
    fs::write(room.path("model/README.md"), "no file of a model").unwrap();
    fs::write(room.path("model/pytorch_model.bin"), "the same weights again").unwrap();
    let hub = Hub::of("org/tiny", &room.path("model"), twist);
    (room, hub)
}

/// What is wrong with an answer.
type Wrong = fn(&Seen, Reply) -> Reply;

fn honest(_: &Seen, reply: Reply) -> Reply {
    reply
}

fn run(room: &Room, hub: &Hub, args: &[&str]) -> Outcome {
    finish(&mut hub.command(&room.at("home"), args))
}

fn weights(room: &Room) -> Vec<u8> {
    fs::read(room.path("model").join(WEIGHTS)).unwrap()
}

fn snapshot(room: &Room, file: &str) -> PathBuf {
    room.path(REPO).join("snapshots").join(COMMIT).join(file)
}

fn partial(room: &Room) -> PathBuf {
    room.path(REPO).join("blobs").join(format!("{}.incomplete", sha256(&weights(room))))
}

/// All weights are there, under their name, and nothing else is.
#[track_caller]
fn is_whole(room: &Room) {
    assert_eq!(fs::read(snapshot(room, WEIGHTS)).unwrap(), weights(room));
    let blobs = room.names(&format!("{REPO}/blobs"));
    assert!(blobs.iter().all(|name| !name.contains("incomplete")), "{blobs:?}");
    assert_eq!(fs::read_to_string(room.path(REPO).join("refs/main")).unwrap(), COMMIT);
}

/// Failed with lines that end in an error with all of `expected` and a help with `help`; no ref was
/// written, and whatever has a name in the snapshot is whole.
#[track_caller]
fn fails(room: &Room, ran: Outcome, expected: &[&str], help: &str) {
    assert_eq!((ran.code, ran.text()), (Some(1), ""), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let [.., error, advice] = lines[..] else { panic!("{}", ran.stderr) };
    assert!(error.starts_with("error: ") && advice.starts_with("help: "), "{}", ran.stderr);
    for part in expected {
        assert!(error.contains(part), "{}\nexpected: {part}", ran.stderr);
    }
    assert!(advice.contains(help), "{}\nexpected help: {help}", ran.stderr);
    assert!(!ran.stderr.contains("hf_secret") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    assert!(!room.path(REPO).join("refs/main").exists());
    if let Ok(found) = fs::read(snapshot(room, WEIGHTS)) {
        assert_eq!(found, weights(room), "half a file has the name of a whole one");
    }
}
