//! The local app: who is answered, what is answered, and how it begins and ends.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use headscope::trace::Container;
use headscope::{Attn, AttnPoint, Trace};
use support::app::{App, Reply};
use support::{PAIR, Room, headscope};

/// The app on the tiny model.
fn app(room: &Room) -> App {
    App::start(&[PAIR[0], PAIR[1], "-m", &room.at("model")])
}

/// What every answer carries, whatever it says.
#[track_caller]
fn hardened(reply: &Reply) {
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:?}");
    }
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[test]
fn only_who_holds_the_address_is_answered() {
    let room = Room::with_model();
    let (app, other) = (app(&room), app(&room));
    let (host, cookie) = (app.host(), app.cookie());
    let (local, other_host) = (format!("localhost:{}", app.port), other.host());
    let (origin, local_origin) = (format!("http://{host}"), format!("http://{local}"));
    let secure = format!("https://{host}");
    let wrong = format!("headscope-{}={}", app.port, "0".repeat(32));
    let prefix = cookie[..cookie.len() - 1].to_owned();
    let others = format!("headscope-{}={}", app.port, other.token);
    let evil = format!("127.0.0.1.evil.example:{}", app.port);
    let rows: &[(&[(&str, &str)], u16)] = &[
        (&[("Host", &host), ("Cookie", &cookie)], 200),
        (&[("Host", &local), ("Cookie", &cookie)], 200),
        (&[("Host", &host), ("Cookie", &format!("a=b; {cookie}; c=d"))], 200),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", &origin)], 200),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", &local_origin)], 200),
        (&[("Host", &host)], 401),
        (&[("Host", &host), ("Cookie", &wrong)], 401),
        (&[("Host", &host), ("Cookie", &prefix)], 401),
        (&[("Host", &host), ("Cookie", &others)], 401),
        (&[("Host", &host), ("Cookie", &other.cookie())], 401),
        (&[("Host", &host), ("Authorization", &app.token)], 401),
        (&[("Cookie", &cookie)], 421),
        (&[("Host", ""), ("Cookie", &cookie)], 421),
        (&[("Host", "evil.example"), ("Cookie", &cookie)], 421),
        (&[("Host", &evil), ("Cookie", &cookie)], 421),
        (&[("Host", "127.0.0.1"), ("Cookie", &cookie)], 421),
        (&[("Host", &other_host), ("Cookie", &cookie)], 421),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", "http://evil.example")], 403),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", "null")], 403),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", "")], 403),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", &secure)], 403),
        (&[("Host", &host), ("Cookie", &cookie), ("Origin", &format!("http://{other_host}"))], 403),
    ];
    for (headers, expected) in rows {
        for path in [
            "/",
            "/headscope.js",
            "/api/overview",
            "/api/pattern?layer=0&head=0&run=0",
            "/api/vectors?layer=0&head=0&run=0",
            "/api/exact?layer=0&head=0&run=0&query=0",
        ] {
            let reply = app.request(&format!("GET {path}"), headers, b"");
            assert_eq!(reply.status, *expected, "{path} {headers:?}");
            hardened(&reply);
        }
        let body = br#"{"texts": ["the cat"]}"#;
        let headers = [*headers, &[("Content-Type", "application/json")]].concat();
        let reply = app.request("POST /api/run", &headers, body);
        assert_eq!(reply.status, *expected, "{headers:?}");
    }
}

#[test]
fn the_token_in_the_address_becomes_a_cookie() {
    let room = Room::with_model();
    let app = app(&room);
    let enter = |path: &str, host: &str| app.request(&format!("GET {path}"), &[("Host", host)], b"");
    let welcome = enter(&format!("/?token={}", app.token), &app.host());
    assert_eq!((welcome.status, welcome.header("location")), (303, Some("/")));
    let expected = format!("{}; HttpOnly; SameSite=Strict; Path=/", app.cookie());
    assert_eq!(welcome.header("set-cookie"), Some(expected.as_str()));
    hardened(&welcome);

    let token = &app.token;
    for (path, status) in [
        (format!("/?token={}", &token[1..]), 401),
        (format!("/?token={token}0"), 401),
        ("/?token=".into(), 401),
        (format!("/?Token={token}"), 401),
        (format!("/api/overview?token={token}"), 401), // the address opens the page, nothing else
    ] {
        let reply = enter(&path, &app.host());
        assert_eq!((reply.status, reply.header("set-cookie")), (status, None), "{path}");
    }
    assert_eq!(enter(&format!("/?token={token}"), "evil.example").status, 421);
}

#[test]
fn the_page_and_its_script() {
    let room = Room::with_model();
    let app = App::start(&["the cat", "-m", &room.at("model"), "--layer", "2", "--head", "1"]);
    let page = app.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let focus =
        r#"data-editable="true" data-teaches="true" data-focus="{&quot;layer&quot;:2,&quot;head&quot;:1}""#;
    assert!(page.text().contains(focus), "{}", page.text());
    assert!(!page.text().contains(&app.token));
    let script = app.get("/headscope.js");
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(!script.body.is_empty());
    for reply in [page, script] {
        hardened(&reply);
    }
}

#[test]
fn patterns_are_those_of_the_trace() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    headscope(&["trace", PAIR[0], PAIR[1], "-m", &model, "-o", &file]).succeeded();
    let trace = Trace::open(&file).unwrap();
    let (running, opened) = (app(&room), App::start(&["open", &file]));
    for (layer, head) in [(0, 0), (1, 2), (2, 1)] {
        let expected = trace.pattern(Attn::block(layer), head).unwrap();
        let path = format!("/api/pattern?layer={layer}&head={head}&run=0");
        for app in [&running, &opened] {
            let reply = app.get(&path);
            assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
            assert_eq!(reply.floats(), *expected, "{path}");
        }
    }
    assert!(opened.get("/").text().contains(r#"data-editable="false""#));
    let (message, help) = opened.run(&["the dog"]).problem();
    assert!(message.contains("without a model") && help.unwrap().contains("headscope"));
}

#[test]
fn weights_of_a_long_text_come_rounded_and_exact_by_the_line() {
    let room = Room::with("t5"); // which reads texts of any length
    fs::write(room.path("model/tokenizer_config.json"), r#"{"tokenizer_class": "BertTokenizer"}"#).unwrap();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let text = "the cat sat on the mat the dog played in the park ".repeat(90);
    headscope(&["trace", &text, "--target", "the dog", "-m", &model, "-o", &file]).succeeded();
    let trace = Trace::open(&file).unwrap();
    let (attn, n) = (trace.rules()[0].0, trace.encoding.len());
    assert!(n > 1024, "{n} tokens are no long text");
    let (running, opened) =
        (App::start(&[&text, "--target", "the dog", "-m", &model]), App::start(&["open", &file]));
    let whole = trace.pattern(attn, 1).unwrap();
    for app in [&running, &opened] {
        let reply = app.get("/api/pattern?layer=0&head=1&run=0");
        hardened(&reply);
        let within: f32 = reply.header("x-headscope-within").unwrap().parse().unwrap();
        assert!(within < 2e-5 && reply.body.len() == 2 * n * n);
        let weight = |bytes: &[u8]| (f32::from(u16::from_le_bytes([bytes[0], bytes[1]])) / 65_535.0).powi(2);
        let apart = reply.body.chunks_exact(2).zip(whole.iter()).map(|(bytes, w)| (weight(bytes) - w).abs());
        let apart = apart.fold(0.0, f32::max);
        assert!(apart > 0.0 && apart < within, "{apart}");

        let row: Vec<f32> = whole.row(5).to_vec();
        let column: Vec<f32> = (0..n).map(|query| whole.row(query)[7]).collect();
        for (line, expected) in [
            ("&query=5", row.clone()),
            ("&key=7", column.clone()),
            ("&query=5&key=7", [row, column].concat()),
            ("", vec![]),
        ] {
            let reply = app.get(&format!("/api/exact?layer=0&head=1&run=0{line}"));
            hardened(&reply);
            assert_eq!(reply.floats(), expected, "{line}");
        }
    }
    // What the target asks of itself is short, and has all its digits from the start.
    assert_eq!(running.get("/api/pattern?layer=2&head=0&run=0").header("x-headscope-within"), None);
}

#[test]
fn vectors_are_those_of_the_trace() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let sites = "*attn.pattern,*attn.q,*attn.k";
    headscope(&["trace", PAIR[0], PAIR[1], "-m", &model, "-o", &file, "--sites", sites]).succeeded();
    let trace = Trace::open(&file).unwrap();
    let (running, opened) = (app(&room), App::start(&["open", &file]));
    for (layer, head) in [(0, 0), (1, 2), (2, 1)] {
        let path = format!("/api/vectors?layer={layer}&head={head}&run=0");
        for app in [&running, &opened] {
            let reply = app.get(&path);
            assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
            hardened(&reply);
            let tensors = Container::read(&reply.body, "vectors").unwrap().tensors;
            let expected = [("q", AttnPoint::Q), ("k", AttnPoint::K)];
            assert_eq!(tensors.len(), 2, "{path}");
            for ((name, value), (expected, site)) in tensors.iter().zip(expected) {
                let all = trace.get(Attn::block(layer).site(site)).unwrap();
                assert_eq!((name.as_str(), value), (expected, &all.index(head)), "{path}");
            }
        }
    }

    // Of a trace that has patterns alone there is nothing to tell, and that is no fault.
    headscope(&["trace", PAIR[0], PAIR[1], "-m", &model, "-o", &file]).succeeded();
    let opened = App::start(&["open", &file]);
    let reply = opened.get("/api/vectors?layer=0&head=0&run=0");
    assert_eq!(reply.status, 200);
    assert!(Container::read(&reply.body, "vectors").unwrap().tensors.is_empty());
}

#[test]
fn questions_that_have_no_answer() {
    let room = Room::with_model();
    let app = app(&room);
    let pattern = |query: &str| format!("GET /api/pattern{query}");
    let rows: &[(String, u16, &str)] = &[
        (pattern("?layer=3&head=0&run=0"), 404, "there is no layer 3; the trace has layers 0 to 2"),
        (pattern("?layer=0&head=3&run=0"), 404, "there is no head 3; the trace has heads 0 to 2"),
        (pattern("?layer=18446744073709551615&head=0&run=0"), 404, "there is no layer 18446744073709551615"),
        (pattern("?layer=0&head=0&run=1"), 410, "this trace is no longer kept"),
        (pattern("?layer=0&head=0"), 400, "missing field `run`"),
        (pattern(""), 400, "missing field"),
        (pattern("?layer=-1&head=0&run=0"), 400, "invalid digit"),
        (pattern("?layer=0&head=x&run=0"), 400, "invalid digit"),
        (pattern("?layer=18446744073709551616&head=0&run=0"), 400, "number too large"),
        (pattern("?layer=0&layer=1&head=0&run=0"), 400, "duplicate field"),
        (pattern("?layer=%FF&head=0&run=0"), 400, "layer"),
        ("GET /api/vectors?layer=3&head=0&run=0".into(), 404, "there is no layer 3"),
        (
            "GET /api/vectors?layer=0&head=3&run=0".into(),
            404,
            "there is no head 3; the trace has heads 0 to 2",
        ),
        ("GET /api/vectors?layer=0&head=0&run=1".into(), 410, "this trace is no longer kept"),
        ("GET /api/vectors".into(), 400, "missing field"),
        ("GET /api/exact?layer=0&head=3&run=0".into(), 404, "there is no head 3"),
        ("GET /api/exact?layer=0&head=0&run=1".into(), 410, "this trace is no longer kept"),
        ("GET /api/exact?layer=0&head=0&run=0&query=99".into(), 404, "there is no query 99; the text has"),
        ("GET /api/exact?layer=0&head=0&run=0&key=99".into(), 404, "there is no key 99; the text has"),
        ("GET /api/exact?layer=0&head=0&run=0&key=-1".into(), 400, "invalid digit"),
        ("GET /nothing".into(), 404, "there is nothing here"),
        ("GET /../../etc/passwd".into(), 404, "there is nothing here"),
        ("GET //evil.example/".into(), 404, "there is nothing here"),
        ("GET /api/run".into(), 405, "another way"),
        ("POST /api/overview".into(), 405, "another way"),
        ("DELETE /".into(), 405, "another way"),
    ];
    let (host, cookie) = (app.host(), app.cookie());
    for (line, status, expected) in rows {
        let reply = app.request(line, &[("Host", &host), ("Cookie", &cookie)], b"");
        assert_eq!(reply.status, *status, "{line}: {reply:?}");
        assert!(reply.problem().0.contains(expected), "{line}: {}", reply.text());
        hardened(&reply);
    }
    // What is no HTTP at all is turned away, and the app goes on.
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n"]
    {
        let mut stream = app.connect();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.0 4"));
    }
    assert_eq!(app.get("/").status, 200);
}

#[test]
fn texts_are_run() {
    let room = Room::with_model();
    let app = app(&room);
    let before = app.get("/api/overview");
    assert_eq!(before.header("x-headscope-run"), Some("0"));

    let after = app.run(&["</script><img src=x onerror=alert(1)>", "the\u{202e}cat \u{0}"]);
    assert_eq!((after.status, after.header("x-headscope-run")), (200, Some("1")));
    assert_eq!(after.header("content-type"), Some("application/octet-stream"));
    hardened(&after);
    assert_ne!(before.body, after.body);
    assert_eq!(app.get("/api/overview").body, after.body, "the newest is shown");
    assert!(!app.get("/").text().contains("onerror"), "no text stands in the page");

    for run in 2..=8 {
        assert_eq!(app.run(&["the cat"]).header("x-headscope-run"), Some(run.to_string().as_str()));
    }
    let of_run = |run: usize| app.get(&format!("/api/pattern?layer=0&head=0&run={run}"));
    let (_, help) = of_run(0).problem();
    assert_eq!((of_run(0).status, help.as_deref()), (410, Some("reload the page for the newest one")));
    assert_eq!((of_run(1).status, of_run(8).floats().len()), (200, 16));
}

#[test]
fn texts_that_cannot_be_run() {
    let room = Room::with_model();
    let app = app(&room);
    let long = "the cat sat ".repeat(20);
    let texts = |texts: &[&str]| serde_json::json!({ "texts": texts }).to_string().into_bytes();
    let rows: &[(Vec<u8>, u16, &str, Option<&str>)] = &[
        (texts(&[""]), 422, "the text is empty", Some("at least one word")),
        (texts(&["the cat", "  "]), 422, "the second text holds only spaces", Some("at least one word")),
        (texts(&[&long]), 422, "62 tokens, but", Some("shorten the text")),
        (texts(&[]), 400, "0 texts; expected one, or a pair", None),
        (texts(&["a", "b", "c"]), 400, "3 texts; expected one, or a pair", None),
        (b"{\"texts\": [\"a\"".to_vec(), 400, "EOF while parsing", Some("\"texts\"")),
        (b"{\"texts\": \"a\"}".to_vec(), 422, "invalid type", Some("\"texts\"")),
        (b"{\"texts\": [1]}".to_vec(), 422, "invalid type", Some("\"texts\"")),
        (b"{}".to_vec(), 422, "missing field `texts`", Some("\"texts\"")),
        (b"\xff\xfe".to_vec(), 400, "expected value", Some("\"texts\"")),
        ([&b"["[..]; 5000].concat(), 422, "invalid", Some("\"texts\"")),
        (texts(&["a", &"x".repeat((1 << 20) + 1)]), 413, "larger than 1024 KiB", Some("shorten")),
    ];
    for (body, status, message, help) in rows {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = app.post("/api/run", body);
        assert_eq!(reply.status, *status, "{shown}: {}", reply.text());
        let problem = reply.problem();
        assert!(problem.0.contains(message), "{shown}: {problem:?}");
        match help {
            Some(help) => {
                assert!(problem.1.as_ref().is_some_and(|found| found.contains(help)), "{problem:?}");
            }
            None => assert_eq!(problem.1, None, "{shown}"),
        }
        hardened(&reply);
    }
    let (host, cookie) = (app.host(), app.cookie());
    let plain = app.request("POST /api/run", &[("Host", &host), ("Cookie", &cookie)], &texts(&["the cat"]));
    assert_eq!(plain.status, 415, "a form of another site cannot send JSON");
    assert!(plain.problem().0.contains("application/json"));
    assert_eq!(app.get("/api/overview").header("x-headscope-run"), Some("0"), "nothing was run");

    let cutting = App::start(&["the cat", "--truncate", "-m", &room.at("model")]);
    assert_eq!(cutting.run(&[&long]).status, 200, "--truncate holds for what is typed later, too");
}

#[test]
fn a_port_that_is_taken() {
    let room = Room::with_model();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    headscope(&["the cat", "-m", &room.at("model"), "--port", &port, "--no-browser"])
        .failed(&[&format!("port {port} is taken")], Some("--port"));
    drop(taken);
    let app = App::start(&["the cat", "-m", &room.at("model"), "--port", &port]);
    assert_eq!((app.port.to_string(), app.get("/").status), (port, 200));
}

#[test]
fn two_apps_side_by_side() {
    let room = Room::with_model();
    let (first, second) = (app(&room), app(&room));
    assert!(first.port != second.port && first.token != second.token);
    // A browser sends the cookies of both to each.
    let both = format!("{}; {}", first.cookie(), second.cookie());
    for app in [&first, &second] {
        let reply = app.request("GET /api/overview", &[("Host", &app.host()), ("Cookie", &both)], b"");
        assert_eq!(reply.status, 200);
    }
    assert_eq!(first.run(&["the dog"]).header("x-headscope-run"), Some("1"));
    assert_eq!(second.get("/api/overview").header("x-headscope-run"), Some("0"));
}

#[cfg(target_os = "linux")] // elsewhere the system opens one by other means
#[test]
fn no_browser_is_said_in_a_line() {
    let room = Room::with_model();
    let mut command = support::command();
    command.args(["the cat", "-m", &room.at("model")]).env("PATH", "/nowhere").env_remove("BROWSER");
    let app = App::spawn(&mut command);
    assert_eq!(app.get("/").status, 200);
    let (code, _, stderr) = app.interrupt();
    let line = stderr.lines().find(|line| line.starts_with("no browser could be opened"));
    assert!(line.is_some_and(|line| line.contains("open the address above")), "{stderr}");
    assert_eq!(code, Some(0));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_at_once() {
    let room = Room::with_model();
    let app = app(&room);
    let _half_sent = app.connect().write_all(b"GET / HTTP/1.1\r\nHost: ");
    let idle = app.connect();
    let (code, took, stderr) = app.interrupt();
    assert_eq!((code, stderr.as_str()), (Some(0), "Ctrl-C ends headscope.\n"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    drop(idle);
}

#[cfg(unix)]
#[test]
fn ctrl_c_does_not_wait_for_a_pass() {
    let app = App::start(&["hello"]);
    let text = "hello ".repeat(500);
    let body = serde_json::json!({ "texts": [text] }).to_string();
    let request = format!(
        "POST /api/run HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.host(),
        app.cookie(),
        body.len()
    );
    let queue: Vec<TcpStream> = (0..20).map(|_| app.connect()).collect();
    for mut stream in &queue {
        stream.write_all(request.as_bytes()).unwrap();
    }
    thread::sleep(Duration::from_millis(100));
    let (code, took, _) = app.interrupt();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn many_ask_at_once() {
    let room = Room::with_model();
    let app = app(&room);
    let expected = app.get("/api/pattern?layer=1&head=1&run=0").body;
    thread::scope(|scope| {
        for worker in 0..16 {
            let (app, expected) = (&app, &expected);
            scope.spawn(move || {
                for round in 0..10 {
                    let pattern = app.get("/api/pattern?layer=1&head=1&run=0");
                    // Newer runs push the first one out; until then it stays what it was.
                    assert!(pattern.status == 410 || pattern.body == *expected, "{pattern:?}");
                    assert_eq!(app.get("/api/overview").status, 200);
                    if worker == 0 && round % 3 == 0 {
                        assert_eq!(app.run(&["the dog"]).status, 200);
                    }
                }
            });
        }
    });
    assert_eq!(app.get("/api/overview").header("x-headscope-run"), Some("4"));
}

#[test]
fn the_slow_do_not_hold_up_others() {
    let room = Room::with_model();
    let app = app(&room);
    let (host, cookie) = (app.host(), app.cookie());
    let starts = [
        String::new(),
        "GET /".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n"),
        format!(
            "POST /api/run HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000000000\r\n\r\n{{"
        ),
    ];
    let slow: Vec<TcpStream> = starts
        .iter()
        .cycle()
        .take(80)
        .map(|start| {
            let mut stream = app.connect();
            stream.write_all(start.as_bytes()).unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(app.get("/api/overview").status, 200);
        assert_eq!(app.run(&["the dog"]).status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(slow);
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_app_costs_nothing_and_listens_here_alone() {
    let app = App::start(&["hello", "there"]);
    assert_eq!(app.run(&["hello again"]).status, 200);
    let ticks = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", app.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap() // utime + stime
    };
    thread::sleep(Duration::from_millis(500)); // threads spin a moment, then park
    let before = ticks();
    thread::sleep(Duration::from_millis(1500));
    assert!(ticks() - before <= 3, "{} ticks of 10 ms in 1.5 s", ticks() - before);

    let port = format!(":{:04X}", app.port);
    let listening = |table: &str| -> Vec<String> {
        let rows = std::fs::read_to_string(table).unwrap_or_default();
        let fields = rows.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        fields.filter(|row| row[1].ends_with(&port) && row[3] == "0A").map(|row| row[1].to_owned()).collect()
    };
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert!(listening("/proc/net/tcp6").is_empty());
}
