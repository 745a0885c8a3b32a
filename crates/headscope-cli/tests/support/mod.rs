//! What the tests of the command share: running it, folders of tiny models, files made wrong.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of this; helpers are tests too

pub mod app;
pub mod hub;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value};

/// A vocabulary for the tiny models, whose 97 ids are more than its lines.
const WORDS: &str =
    "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat a dog played in park ##s . < > / script";

/// The lesson's pair.
pub const PAIR: [&str; 2] = ["The cat sat on the mat", "The dog played in the park"];

/// What a command left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// Succeeded with nothing on stderr that sounds like trouble.
    #[track_caller]
    pub fn succeeded(self) -> Outcome {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        assert!(!self.stderr.contains("error") && !self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Failed in one line that holds all of `expected`, and a line of help that holds `help`.
    #[track_caller]
    pub fn failed(self, expected: &[&str], help: Option<&str>) {
        let Outcome { code, stdout, stderr } = self;
        assert_eq!((code, stdout.as_slice()), (Some(1), &b""[..]), "{stderr}");
        let mut lines = stderr.lines();
        let error = lines.next().unwrap_or_default();
        assert!(error.starts_with("error: "), "{stderr}");
        for part in expected {
            assert!(error.contains(part), "{stderr}\nexpected: {part}");
        }
        let causes: Vec<&str> = error.split(": ").collect();
        assert!(causes.windows(2).all(|two| two[0] != two[1]), "said twice: {stderr}");
        match (lines.next(), help) {
            (None, None) => {}
            (Some(line), Some(help)) if line.starts_with("help: ") && line.contains(help) => {}
            _ => panic!("{stderr}\nexpected help: {help:?}"),
        }
        assert_eq!(lines.next(), None, "{stderr}");
        assert!(!stderr.contains('\u{1b}'), "escape codes: {stderr:?}");
    }
}

/// The command with nothing of this machine's settings.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headscope"));
    settle(&mut command);
    command
}

fn settle(command: &mut Command) {
    let ours = ["HEADSCOPE_ISA", "RUST_BACKTRACE", "XDG_CACHE_HOME", "TRANSFORMERS_OFFLINE"];
    let proxies = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"];
    for name in ours.iter().chain(&proxies) {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HF_") || name.to_string_lossy().starts_with("HUGGING") {
            command.env_remove(name);
        }
    }
    // No test asks the real Hub.
    command.env("HF_HOME", "/nowhere/huggingface").env("HF_HUB_OFFLINE", "1").stdin(Stdio::null());
}

/// Runs the command to its end.
pub fn headscope(args: &[&str]) -> Outcome {
    finish(command().args(args))
}

/// Runs the command in a shell, as `$0`, which can set limits and join pipes.
pub fn in_shell(script: &str, args: &[&str]) -> Outcome {
    let mut shell = Command::new("bash");
    settle(&mut shell);
    finish(shell.args(["-c", script, env!("CARGO_BIN_EXE_headscope")]).args(args))
}

pub fn finish(command: &mut Command) -> Outcome {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Outcome { code: status.code(), stdout, stderr: String::from_utf8(stderr).unwrap() }
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder that goes away with the test.
pub struct Room(tempfile::TempDir);

impl Room {
    pub fn new() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    /// A room with a tiny model in `model`, and an empty folder `out`.
    pub fn with_model() -> Room {
        Room::with("bert")
    }

    /// The same with the model of a fixture.
    pub fn with(fixture: &str) -> Room {
        let room = Room::new();
        room.model("model", fixture);
        fs::create_dir(room.path("out")).unwrap();
        room
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as an argument.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Puts a model of `fixtures/`, with a tokenizer, into a folder.
    pub fn model(&self, folder: &str, fixture: &str) {
        let from = repository().join("fixtures").join(fixture);
        fs::create_dir_all(self.path(folder)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(from.join(file), self.path(folder).join(file)).unwrap();
        }
        fs::write(self.path(folder).join("vocab.txt"), WORDS.replace(' ', "\n")).unwrap();
    }

    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Rewrites a JSON file.
pub fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

/// Splits a safetensors file into its header and its data.
pub fn split(bytes: &[u8]) -> (Map<String, Value>, Vec<u8>) {
    let (len, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    (serde_json::from_slice(header).unwrap(), data.to_vec())
}

/// The opposite of [`split`], whether or not the two agree.
pub fn join(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

/// Rewrites the header and the data of a safetensors file.
pub fn edit_tensors(path: &Path, edit: impl FnOnce(&mut Map<String, Value>, &mut Vec<u8>)) {
    let (mut header, mut data) = split(&fs::read(path).unwrap());
    edit(&mut header, &mut data);
    fs::write(path, join(&header, &data)).unwrap();
}

/// Where a tensor's bytes begin in the data.
pub fn offset(header: &Map<String, Value>, name: &str) -> usize {
    header[name]["data_offsets"][0].as_u64().unwrap() as usize
}
