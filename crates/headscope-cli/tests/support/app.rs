//! A running app, and requests to it over a plain socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An app that ends with the test.
pub struct App {
    child: Child,
    pub port: u16,
    /// What of it the address opens.
    pub page: String,
    pub token: String,
}

/// An answer, its header names in lower case.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The message of a JSON answer that says what is wrong.
    #[track_caller]
    pub fn problem(&self) -> (String, Option<String>) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        (text("message").expect("a message"), text("help"))
    }

    pub fn floats(&self) -> Vec<f32> {
        self.body.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

impl App {
    /// Starts the app and waits for its address, the only line on stdout.
    pub fn start(args: &[&str]) -> App {
        App::spawn(super::command().args(args).arg("--no-browser"))
    }

    pub fn spawn(command: &mut Command) -> App {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/'));
        let Some((port, (page, token))) =
            address.and_then(|(port, rest)| Some((port, rest.split_once("?token=")?)))
        else {
            let mut stderr = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut stderr);
            panic!("no address but {url:?}: {stderr}");
        };
        App { port: port.parse().unwrap(), page: format!("/{page}"), token: token.to_owned(), child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends these bytes and reads what comes until the server closes.
    pub fn send(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect();
        let _ = stream.write_all(request); // an answer may come, and the socket close, before all is sent
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        parse(&answer)
    }

    /// A request with exactly these headers.
    pub fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(&[head.as_bytes(), b"\r\n", body].concat())
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn cookie(&self) -> String {
        format!("headscope-{}={}", self.port, self.token)
    }

    /// As the page asks.
    pub fn get(&self, path: &str) -> Reply {
        let (host, cookie) = (self.host(), self.cookie());
        self.request(&format!("GET {path}"), &[("Host", &host), ("Cookie", &cookie)], b"")
    }

    /// As the page sends.
    pub fn post(&self, path: &str, body: &[u8]) -> Reply {
        let (host, cookie) = (self.host(), self.cookie());
        let origin = format!("http://{host}");
        let headers = [
            ("Host", host.as_str()),
            ("Cookie", &cookie),
            ("Origin", &origin),
            ("Content-Type", "application/json"),
        ];
        self.request(&format!("POST {path}"), &headers, body)
    }

    /// Runs texts.
    pub fn run(&self, texts: &[&str]) -> Reply {
        self.post("/api/run", serde_json::json!({ "texts": texts }).to_string().as_bytes())
    }

    /// Sends Ctrl-C, and returns the exit code, how long it took, and stderr.
    pub fn interrupt(mut self) -> (Option<i32>, Duration, String) {
        let start = Instant::now();
        let sent = Command::new("kill").args(["-INT", &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = self.child.wait().unwrap().code();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (code, start.elapsed(), stderr)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Reply { status, headers, body: answer[end + 4..].to_vec() }
}
