//! A Hub on this machine, as honest or as broken as a test wants it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether it came to the host that has the bytes, rather than to the Hub.
    pub elsewhere: bool,
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    /// The byte it wants to go on from.
    pub from: Option<usize>,
    /// How many requests with this method and path came before.
    pub before: usize,
}

impl Seen {
    pub fn asks_for(&self, method: &str, end: &str) -> bool {
        self.method == method && self.path.ends_with(end)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Close the connection after so many bytes of the body.
    pub cut: Option<usize>,
    /// Be silent for so long where the connection would be cut, or before the answer.
    pub silence: Duration,
}

impl Reply {
    pub fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Reply { status, headers, body: body.to_vec(), cut: None, silence: Duration::ZERO }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Reply {
        self.cut = Some(bytes);
        self
    }
}

/// What a test does to an honest answer.
pub type Twist = Box<dyn Fn(&Seen, Reply) -> Reply + Send + Sync>;

struct State {
    id: String,
    files: BTreeMap<String, Vec<u8>>,
    twist: Twist,
    elsewhere: u16,
    seen: Mutex<Vec<Seen>>,
    closed: AtomicBool,
}

/// A running Hub of one repository; ends with the test.
pub struct Hub {
    pub port: u16,
    state: Arc<State>,
}

impl Hub {
    /// Serves the files of a folder as `id`.
    pub fn of(id: &str, folder: &Path, twist: impl Fn(&Seen, Reply) -> Reply + Send + Sync + 'static) -> Hub {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let files = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
        Hub::serve(id, files.collect(), twist)
    }

    pub fn serve(
        id: &str,
        files: BTreeMap<String, Vec<u8>>,
        twist: impl Fn(&Seen, Reply) -> Reply + Send + Sync + 'static,
    ) -> Hub {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (hub, elsewhere) = (listen(), listen());
        let port = hub.local_addr().unwrap().port();
        let state = Arc::new(State {
            id: id.to_owned(),
            files,
            twist: Box::new(twist),
            elsewhere: elsewhere.local_addr().unwrap().port(),
            seen: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        for (listener, is_elsewhere) in [(hub, false), (elsewhere, true)] {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if state.closed.load(Ordering::Relaxed) {
                        break;
                    }
                    let state = Arc::clone(&state);
                    thread::spawn(move || answer(&state, stream.unwrap(), is_elsewhere));
                }
            });
        }
        Hub { port, state }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The command with this Hub and a cache of its own.
    pub fn command(&self, home: &str, args: &[&str]) -> Command {
        let mut command = super::command();
        command
            .args(args)
            .env_remove("HF_HUB_OFFLINE")
            .env("HF_ENDPOINT", self.endpoint())
            .env("HF_HOME", home);
        command
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The files that were read, by name, in order.
    pub fn read(&self) -> Vec<String> {
        let seen = self.seen().into_iter().filter(|seen| seen.method == "GET" && !seen.elsewhere);
        seen.filter_map(|seen| Some(seen.path.split_once("/resolve/")?.1.split_once('/')?.1.to_owned()))
            .collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        for port in [self.port, self.state.elsewhere] {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port)); // wakes the listener
        }
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the Hub names a file's content: large files by SHA-256, small ones by 40 digits.
pub fn etag(name: &str, bytes: &[u8]) -> String {
    let sha = sha256(bytes);
    if is_large(name) { sha } else { sha[..40].to_owned() }
}

fn is_large(name: &str) -> bool {
    [".safetensors", ".bin", ".gguf", ".model"].iter().any(|end| name.ends_with(end))
}

fn answer(state: &State, mut stream: TcpStream, elsewhere: bool) {
    let Some(seen) = read(state, &stream, elsewhere) else { return };
    let reply = (state.twist)(&seen, honest(state, &seen));
    let silence = reply.silence;
    if reply.cut.is_none() {
        thread::sleep(silence);
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    let has_length = reply.headers.iter().any(|(n, _)| n == "Content-Length" || n == "Transfer-Encoding");
    if !has_length {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())];
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(b"\r\n");
    if seen.method != "HEAD" {
        let _ = stream.write_all(body);
    }
    let _ = stream.flush();
    if reply.cut.is_some() {
        thread::sleep(silence);
    }
}

fn read(state: &State, stream: &TcpStream, elsewhere: bool) -> Option<Seen> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut token, mut from) = (None, None);
    for line in lines.map_while(Result::ok).take(64).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = Some(value.to_owned()),
            "range" => from = Some(value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?),
            _ => {}
        }
    }
    let mut all = state.seen.lock().unwrap();
    let before = all.iter().filter(|seen| seen.method == method && seen.path == path).count();
    let seen = Seen { elsewhere, method, path, token, from, before };
    all.push(seen.clone());
    Some(seen)
}

fn honest(state: &State, seen: &Seen) -> Reply {
    let id = &state.id;
    if seen.path.starts_with(&format!("/api/models/{id}/revision/"))
        || seen.path == format!("/api/models/{id}")
    {
        let siblings: Vec<_> =
            state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let listing = serde_json::json!({ "id": id, "sha": COMMIT, "siblings": siblings });
        let json = [("Content-Type", "application/json")];
        return Reply::new(200, &json, listing.to_string().as_bytes());
    }
    let name = match seen.path.strip_prefix(&format!("/{id}/resolve/")) {
        Some(rest) => rest.split_once('/').map_or("", |(_, name)| name),
        None => seen.path.strip_prefix("/bytes/").unwrap_or_default(),
    };
    let Some(bytes) = state.files.get(name) else {
        let code = if seen.path.contains("/resolve/") { "EntryNotFound" } else { "RepoNotFound" };
        return Reply::new(404, &[("X-Error-Code", code)], b"");
    };
    let etag = format!("\"{}\"", etag(name, bytes));
    if is_large(name) && !seen.elsewhere {
        let target = format!("http://127.0.0.1:{}/bytes/{name}", state.elsewhere);
        let size = bytes.len().to_string();
        let headers = [
            ("Location", target.as_str()),
            ("X-Linked-Etag", &etag),
            ("X-Linked-Size", &size),
            ("X-Repo-Commit", COMMIT),
            ("ETag", "\"of-the-redirect\""),
        ];
        return Reply::new(302, &headers, b"");
    }
    match seen.from {
        Some(from) if from < bytes.len() => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Reply::new(206, &[("Content-Range", &range)], &bytes[from..])
        }
        Some(_) => Reply::new(416, &[], b""),
        // A HEAD has the length of what a GET would bring.
        None => {
            let reply = Reply::new(200, &[("ETag", &etag), ("X-Repo-Commit", COMMIT)], bytes);
            reply.header("Content-Length", &bytes.len().to_string())
        }
    }
}
