//! Downloads: from a Hub on this machine that is honest, slow, broken or lying.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

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

#[test]
fn pull_fills_the_cache_as_python_does() {
    let (room, hub) = hub(honest);
    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let folder = snapshot(&room, "");
    assert_eq!(PathBuf::from(ran.text().trim_end()), folder.parent().unwrap().join(COMMIT));
    assert!(ran.stderr.contains("downloaded org/tiny (3 files"), "{}", ran.stderr);
    is_whole(&room);
    for file in ["config.json", "vocab.txt", WEIGHTS] {
        let bytes = fs::read(room.path("model").join(file)).unwrap();
        assert_eq!(fs::read(snapshot(&room, file)).unwrap(), bytes);
        #[cfg(unix)]
        assert_eq!(
            fs::read_link(snapshot(&room, file)).unwrap(),
            PathBuf::from("../../blobs").join(etag(file, &bytes))
        );
    }
    assert_eq!(hub.read(), ["config.json", "vocab.txt", WEIGHTS], "what no model needs is not downloaded");

    // Again: one question, no file.
    let before = hub.seen().len();
    let again = run(&room, &hub, &["pull", "org/tiny", "--json"]).succeeded();
    assert!(again.stderr.contains("org/tiny is up to date"), "{}", again.stderr);
    let json = again.json();
    assert_eq!((&json["commit"], &json["revision"]), (&json!(COMMIT), &json!("main")));
    assert_eq!(json["files"][2], json!({ "file": WEIGHTS, "size": weights(&room).len(), "downloaded": 0 }));
    assert_eq!(hub.seen().len(), before + 1);
}

#[test]
fn a_model_is_downloaded_once_and_runs_without_a_network_then() {
    let (room, hub) = hub(honest);
    let out = room.at("out/t.safetensors");
    let trace = ["trace", "the cat", "-m", "org/tiny", "-o", &out];
    let first = run(&room, &hub, &trace).succeeded();
    assert!(first.stderr.starts_with(&format!("asking {} for org/tiny at main", hub.endpoint())));
    assert!(first.stderr.contains("downloaded org/tiny (3 files") && first.stdout.is_empty());
    let asked = hub.seen().len();
    for args in
        [&trace[..], &["tokens", "the cat", "-m", "org/tiny"], &["the cat", "-m", "org/tiny", "-o", &out]]
    {
        let ran = run(&room, &hub, args).succeeded();
        assert!(!ran.stderr.contains("asking"), "{}", ran.stderr);
    }
    assert_eq!(hub.seen().len(), asked, "what is in the cache is not asked for");

    // What has been removed is fetched again, and that alone.
    fs::remove_file(snapshot(&room, WEIGHTS)).unwrap();
    fs::remove_file(room.path(REPO).join("blobs").join(sha256(&weights(&room)))).unwrap();
    run(&room, &hub, &trace).succeeded();
    assert_eq!(hub.read()[3..], [WEIGHTS]);
    // A cache without weights and without a network is as it was.
    fs::remove_file(snapshot(&room, WEIGHTS)).unwrap();
    let offline = finish(hub.command(&room.at("home"), &trace).arg("--offline"));
    offline.failed(&["has no model.safetensors"], Some("config.json"));
}

#[test]
fn offline_means_no_request() {
    let (room, hub) = hub(honest);
    let tokens = ["tokens", "the cat", "-m", "org/tiny"];
    let flag = finish(hub.command(&room.at("home"), &tokens).arg("--offline"));
    flag.failed(&["no model \"org/tiny\"", "--offline forbids the network"], Some("headscope pull org/tiny"));
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        let ran = finish(hub.command(&room.at("home"), &tokens).env(name, "1"));
        ran.failed(&["no model \"org/tiny\"", name], Some("headscope pull org/tiny"));
        let pull = finish(hub.command(&room.at("home"), &["pull", "org/tiny"]).env(name, "1"));
        pull.failed(&[name, "forbids the network"], Some(&format!("{name}=0")));
    }
    for wrong in ["../tiny", "org/tiny/sub", "a b", ""] {
        run(&room, &hub, &["tokens", "the cat", "-m", wrong])
            .failed(&["there is no folder", wrong], Some("ORG/NAME"));
        run(&room, &hub, &["pull", wrong]).failed(&["there is no folder", wrong], Some("ORG/NAME"));
    }
    run(&room, &hub, &["pull", "org/tiny", "--revision", "../x"])
        .failed(&["\"../x\" is no branch, tag or commit"], Some("--revision"));
    assert!(hub.seen().is_empty());
}

#[test]
fn revisions() {
    let (room, hub) = hub(honest);
    for revision in ["v1.0", "refs/pr/1", COMMIT] {
        run(&room, &hub, &["pull", "org/tiny", "--revision", revision]).succeeded();
        let asked = hub.seen().into_iter().rfind(|seen| seen.path.starts_with("/api/")).unwrap().path;
        assert_eq!(asked, format!("/api/models/org/tiny/revision/{}", revision.replace('/', "%2F")));
        let before = hub.seen().len();
        run(&room, &hub, &["tokens", "the cat", "-m", "org/tiny", "--revision", revision]).succeeded();
        assert_eq!(hub.seen().len(), before);
    }
    assert_eq!(room.names(&format!("{REPO}/snapshots")), [COMMIT]);
    let listing = run(&room, &hub, &["models", "--json"]).succeeded().json();
    let row = &listing["models"][1];
    assert_eq!((&row["id"], &row["supported"]), (&json!("org/tiny"), &json!(true)));
    assert_eq!(row["revisions"], json!(["refs/pr/1", "v1.0"]));
    assert_eq!(row["commit"], json!(COMMIT));
}

/// The token goes to the Hub, and nowhere else.
#[test]
fn the_token_stays_with_the_hub() {
    let (room, hub) = hub(honest);
    fs::create_dir_all(room.path("home")).unwrap();
    fs::write(room.path("home/token"), "hf_secret_file\n").unwrap();
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let seen = hub.seen();
    assert!(seen.iter().any(|seen| seen.elsewhere));
    for seen in &seen {
        let expected = (!seen.elsewhere).then_some("Bearer hf_secret_file");
        assert_eq!(seen.token.as_deref(), expected, "{seen:?}");
    }
    finish(hub.command(&room.at("other"), &["pull", "org/tiny"]).env("HF_TOKEN", "hf_secret")).succeeded();
    assert_eq!(hub.seen()[seen.len()].token.as_deref(), Some("Bearer hf_secret"));
}

#[test]
fn refusals_say_what_to_do() {
    type Answer = (u16, &'static [(&'static str, &'static str)]);
    let rows: &[(Answer, &[&str], &str)] = &[
        (
            (401, &[("X-Error-Code", "RepoNotFound")]),
            &["no model \"org/tiny\" on 127.0.0.1", "401"],
            "HF_TOKEN",
        ),
        ((401, &[("X-Error-Code", "GatedRepo")]), &["org/tiny is gated", "401"], "accept its terms at http"),
        ((403, &[("X-Error-Code", "GatedRepo")]), &["org/tiny is gated", "403"], "set HF_TOKEN"),
        (
            (403, &[("X-Error-Message", "closed")]),
            &["does not let no token read", "\"closed\""],
            "accept its terms",
        ),
        ((404, &[]), &["there is no model \"org/tiny\" on 127.0.0.1", "404"], "check the spelling"),
        (
            (404, &[("X-Error-Code", "RevisionNotFound")]),
            &["org/tiny has no revision \"main\""],
            "--revision",
        ),
        ((429, &[("Retry-After", "120")]), &["asks for a pause of 120 s"], "HF_TOKEN"),
        ((418, &[("X-Error-Message", "tea")]), &["418", "tea"], "HF_ENDPOINT"),
    ];
    for ((status, headers), expected, help) in rows {
        let (room, hub) = hub(|_, reply| reply);
        drop(hub);
        let headers = *headers;
        let status = *status;
        let hub = Hub::of("org/tiny", &room.path("model"), move |_, _| Reply::new(status, headers, b""));
        fails(&room, run(&room, &hub, &["pull", "org/tiny"]), expected, help);
        assert_eq!(hub.seen().len(), 1, "{status}: nothing to be gained by asking again");
    }
    let (room, hub) = hub(|_, _| Reply::new(401, &[], b""));
    let with_token =
        finish(hub.command(&room.at("home"), &["pull", "org/tiny"]).env("HF_TOKEN", "hf_secret"));
    fails(&room, with_token, &["does not let the token from HF_TOKEN read org/tiny"], "settings/tokens");
}

#[test]
fn what_may_pass_is_tried_again() {
    let rows: [(&str, Wrong); 7] = [
        ("429 with a time", |seen, reply| match seen.before {
            0 => Reply::new(429, &[("Retry-After", "1")], b""),
            _ => reply,
        }),
        ("503, then 500", |seen, reply| match seen.before {
            0 if seen.method == "HEAD" => Reply::new(503, &[], b""),
            1 if seen.method == "HEAD" => Reply::new(500, &[], b""),
            _ => reply,
        }),
        ("connections cut in the list and in the files", |seen, reply| match seen.before {
            0 if seen.method == "GET" => {
                let half = reply.body.len() / 2;
                reply.cut_after(half)
            }
            _ => reply,
        }),
        ("weights cut twice", |seen, reply| match seen.before {
            0 | 1 if seen.elsewhere => reply.cut_after(40_000),
            _ => reply,
        }),
        ("ranges refused", |seen, reply| match (seen.before, seen.from) {
            (0, _) if seen.elsewhere => reply.cut_after(40_000),
            (_, Some(_)) => Reply::new(416, &[], b""),
            _ => reply,
        }),
        ("the wrong range", |seen, reply| match (seen.before, seen.from) {
            (0, _) if seen.elsewhere => reply.cut_after(40_000),
            (1, Some(_)) => reply.header("Content-Range", "bytes 5-9/10"),
            _ => reply,
        }),
        ("a stretch that nobody asked for", |seen, reply| match seen.before {
            0 if seen.elsewhere => Reply::new(206, &[("Content-Range", "bytes 5-9/10")], b"stray"),
            _ => reply,
        }),
    ];
    std::thread::scope(|scope| {
        for (name, twist) in rows {
            scope.spawn(move || {
                let (room, hub) = hub(twist);
                let ran = run(&room, &hub, &["pull", "org/tiny"]);
                assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
                is_whole(&room);
            });
        }
    });
}

/// A server that ignores where to go on sends all of it, and that is what is kept.
#[test]
fn ranges_may_be_ignored() {
    let weights = weights(&Room::with_model());
    let (room, hub) = hub(move |seen, reply| match (seen.elsewhere, seen.before) {
        (true, 0) => reply.cut_after(50_000),
        (true, _) => Reply::new(200, &[], &weights),
        _ => reply,
    });
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let from: Vec<_> = hub.seen().into_iter().filter(|s| s.elsewhere).map(|s| s.from).collect();
    assert_eq!(from, [None, Some(50_000)]);
    is_whole(&room);
}

#[test]
fn tries_come_to_an_end() {
    type Row = (&'static str, Wrong, &'static [&'static str], &'static str, usize);
    let rows: [Row; 4] = [
        ("503", |_, _| Reply::new(503, &[], b""), &["503", "5 times"], "try again later", 5),
        (
            "silence",
            |_, reply| Reply { silence: Duration::from_secs(30), ..reply },
            &["no answer within 1 s, 5 times"],
            "HF_HUB_DOWNLOAD_TIMEOUT",
            5,
        ),
        (
            "always cut",
            |seen, reply| if seen.elsewhere { reply.cut_after(1000) } else { reply },
            &["model.safetensors of org/tiny", "the connection was cut, 5 times"],
            "it goes on with what has come",
            5,
        ),
        (
            "a length that is too short",
            |seen, reply| {
                if !seen.elsewhere {
                    return reply;
                }
                let body = reply.body[..reply.body.len().min(100)].to_vec();
                Reply { body, ..reply }
            },
            &["model.safetensors of org/tiny", "it ends after 500 of"],
            "HF_ENDPOINT",
            5,
        ),
    ];
    std::thread::scope(|scope| {
        for (name, twist, expected, help, tries) in rows {
            scope.spawn(move || {
                let (room, hub) = hub(twist);
                let start = Instant::now();
                let mut command = hub.command(&room.at("home"), &["pull", "org/tiny"]);
                fails(&room, finish(command.env("HF_HUB_DOWNLOAD_TIMEOUT", "1")), expected, help);
                assert!(start.elapsed() < Duration::from_secs(40), "{name}");
                let last = hub.seen().into_iter().rfind(|_| true).unwrap();
                assert_eq!(last.before + 1, tries, "{name}: {last:?}");
            });
        }
    });
}

#[test]
fn lies_are_found_out() {
    fn in_listing(reply: Reply, edit: impl Fn(&mut serde_json::Value)) -> Reply {
        let mut listing = serde_json::from_slice(&reply.body).unwrap();
        edit(&mut listing);
        Reply::new(200, &[], listing.to_string().as_bytes())
    }
    fn add(seen: &Seen, reply: Reply, name: &str) -> Reply {
        match seen.path.starts_with("/api") {
            true => in_listing(reply, |l| {
                l["siblings"].as_array_mut().unwrap().push(json!({ "rfilename": name }));
            }),
            false => reply,
        }
    }
    fn of_weights(seen: &Seen, reply: Reply, name: &str, value: &str) -> Reply {
        if seen.asks_for("HEAD", WEIGHTS) { reply.header(name, value) } else { reply }
    }
    type Row = (Wrong, &'static [&'static str], &'static str);
    let rows: &[Row] = &[
        // Names.
        (|s, r| add(s, r, "../../x.model"), &["the file \"../../x.model\" is refused"], "HF_ENDPOINT"),
        (|s, r| add(s, r, "/etc/x.model"), &["the file \"/etc/x.model\" is refused"], "HF_ENDPOINT"),
        (|s, r| add(s, r, "..\\x.model"), &["is refused", "x.model"], "HF_ENDPOINT"),
        (|s, r| add(s, r, "a\0b"), &["the file \"a\\0b\" is refused"], "HF_ENDPOINT"),
        (|s, r| of_weights(s, r, "X-Linked-Etag", "\"../../../x\""), &["ETag \"../../../x\" is refused"], ""),
        (|s, r| of_weights(s, r, "X-Linked-Size", "many"), &["gives the size as \"many\""], "HF_ENDPOINT"),
        (
            |s, r| {
                if s.path.starts_with("/api") { in_listing(r, |l| l["sha"] = json!("../../x")) } else { r }
            },
            &["the commit \"../../x\" is refused"],
            "HF_ENDPOINT",
        ),
        // Lists.
        (|_, _| Reply::new(200, &[], b"<html>"), &["its answer lists no files"], "HF_ENDPOINT"),
        (|_, _| Reply::new(200, &[], b"[]"), &["its answer lists no files"], "HF_ENDPOINT"),
        (
            |s, r| if s.path.starts_with("/api") { in_listing(r, |l| l["siblings"] = json!([])) } else { r },
            &["org/tiny is empty"],
            "whole model",
        ),
        (
            |s, r| if s.asks_for("HEAD", "config.json") { Reply::new(200, &[], b"") } else { r },
            &["names no ETag"],
            "HF_ENDPOINT",
        ),
        // Redirects.
        (
            |_, _| Reply::new(302, &[("Location", "/again")], b""),
            &["redirects more than 8 times"],
            "HF_ENDPOINT",
        ),
        (|_, _| Reply::new(302, &[], b""), &["302", "without an address"], "HF_ENDPOINT"),
        (
            |_, _| Reply::new(302, &[("Location", "http://hub.example.org/x")], b""),
            &["it leads to http://hub.example.org/x", "not encrypted"],
            "HF_ENDPOINT",
        ),
        (
            |_, _| Reply::new(302, &[("Location", "file:///etc/passwd")], b""),
            &["file:///etc/passwd"],
            "HF_ENDPOINT",
        ),
        // Content.
        (
            |s, r| match s.elsewhere {
                true => Reply { body: r.body.iter().map(|byte| byte ^ 1).collect(), ..r },
                false => r,
            },
            &["model.safetensors of org/tiny, as downloaded, has the SHA-256 "],
            "it was removed",
        ),
        (
            |s, r| of_weights(s, r, "X-Linked-Size", "1000"),
            &["model.safetensors of org/tiny, as downloaded, has ", "bytes; expected 1000"],
            "it was removed",
        ),
        (
            |s, r| if s.elsewhere { r.header("Content-Encoding", "gzip") } else { r },
            &["sends the file as \"gzip\""],
            "HF_ENDPOINT",
        ),
    ];
    for (twist, expected, help) in rows {
        let (room, hub) = hub(*twist);
        fails(&room, run(&room, &hub, &["pull", "org/tiny"]), expected, help);
        assert!(!partial(&room).exists(), "{expected:?}: what is of no use is removed");
    }
}

/// Interrupted from the keyboard, a download leaves what has come, and the next one goes on from there.
#[cfg(unix)]
#[test]
fn an_interrupted_download_goes_on() {
    let (room, hub) = hub(|seen, reply| match (seen.elsewhere, seen.from) {
        (true, None) => Reply { silence: Duration::from_secs(20), ..reply.cut_after(70_000) },
        _ => reply,
    });
    let mut child = hub
        .command(&room.at("home"), &["pull", "org/tiny"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while fs::metadata(partial(&room)).map_or(0, |found| found.len()) < 70_000 {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!snapshot(&room, WEIGHTS).exists() && !room.path(REPO).join("refs/main").exists());
    let offline =
        finish(hub.command(&room.at("home"), &["tokens", "the cat", "-m", "org/tiny"]).arg("--offline"));
    offline.failed(&["no model \"org/tiny\""], Some("headscope pull"));

    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    assert!(ran.stderr.contains("model.safetensors: going on after 70 KB"), "{}", ran.stderr);
    let last = hub.seen().into_iter().rfind(|seen| seen.elsewhere).unwrap();
    assert_eq!(last.from, Some(70_000));
    is_whole(&room);
}

#[test]
fn a_damaged_partial_is_downloaded_anew() {
    let (room, hub) = hub(honest);
    let whole = weights(&room);
    fs::create_dir_all(partial(&room).parent().unwrap()).unwrap();
    for (left, starts) in [
        (vec![7; 1000], vec![Some(1000), None]), // other bytes
        (vec![7; whole.len()], vec![None]),      // as many, other bytes
        (vec![7; whole.len() + 9], vec![None]),  // more than there are
        (whole.clone(), vec![]),                 // all there, but for its name
    ] {
        fs::write(partial(&room), left).unwrap();
        let before = hub.seen().len();
        let _ = fs::remove_file(snapshot(&room, WEIGHTS));
        let _ = fs::remove_file(room.path(REPO).join("blobs").join(sha256(&whole)));
        let ran = run(&room, &hub, &["pull", "org/tiny"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let from: Vec<_> = hub.seen()[before..].iter().filter(|s| s.elsewhere).map(|s| s.from).collect();
        assert_eq!(from, starts);
        is_whole(&room);
    }
}

#[test]
fn two_at_once_do_no_harm() {
    let (room, hub) = hub(|seen, reply| match seen.elsewhere {
        true => Reply { silence: Duration::from_millis(600), ..reply },
        false => reply,
    });
    let start = || {
        hub.command(&room.at("home"), &["pull", "org/tiny"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(), start(), start()];
    let mut said = String::new();
    for mut child in children {
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
    }
    is_whole(&room);
    let downloads = hub.seen().into_iter().filter(|seen| seen.elsewhere).count();
    assert_eq!(downloads, 1, "one of them downloaded, the others waited: {said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_has_come_and_no_more() {
    let (room, hub) = hub(honest);
    // A limit on the size of files stands in for a full disk, which only root can make.
    let small = r#"trap '' XFSZ; ulimit -f 64; exec "$0" "$@""#;
    let mut shell = Command::new("bash");
    let inner = hub.command(&room.at("home"), &["pull", "org/tiny"]);
    shell.args(["-c", small]).arg(inner.get_program()).args(inner.get_args()).env_clear();
    shell
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", "/usr/bin:/bin");
    fails(
        &room,
        finish(&mut shell),
        &["cannot write", ".incomplete: File too large"],
        "make room there and run",
    );
    let kept = fs::metadata(partial(&room)).unwrap().len();
    assert!(kept <= 64 << 10, "{kept}");
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    is_whole(&room);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (room, hub) = hub(honest);
    fs::write(room.path("home"), "a file, no folder").unwrap();
    let ran = run(&room, &hub, &["pull", "org/tiny"]);
    assert!(ran.stderr.contains("cannot write ") && ran.stderr.contains("HF_HUB_CACHE"), "{}", ran.stderr);
}

#[test]
fn hosts_that_cannot_be_reached() {
    let (room, hub) = hub(honest);
    let port = hub.port;
    drop(hub);
    std::thread::sleep(Duration::from_millis(50)); // until its listener is gone
    let rows: [(&str, &str, &str); 3] = [
        (
            "https://no-such-host.invalid",
            "its name has no address",
            "--offline works with what is in the cache",
        ),
        (&format!("http://127.0.0.1:{port}"), "refused", "HTTPS_PROXY"),
        ("http://hub.example.org", "HF_ENDPOINT is \"http://hub.example.org\"", "https://huggingface.co"),
    ];
    for (endpoint, expected, help) in rows {
        let mut command = support::command();
        command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", endpoint).env("HF_HOME", room.at("home"));
        fails(&room, finish(command.args(["tokens", "the cat", "-m", "org/tiny"])), &[expected], help);
    }
}

#[test]
fn shards_come_with_their_index() {
    let room = Room::with_model();
    let index = json!({ "weight_map": { "a": "model-1.safetensors", "b": "model-2.safetensors" } });
    let read = |file: &str| fs::read(room.path("model").join(file)).unwrap();
    let files = |index: serde_json::Value| {
        BTreeMap::from([
            ("config.json".into(), read("config.json")),
            ("vocab.txt".into(), read("vocab.txt")),
            ("model.safetensors.index.json".into(), index.to_string().into_bytes()),
            ("model-1.safetensors".into(), vec![1; 10]),
            ("model-2.safetensors".into(), vec![2; 10]),
            ("model-3.safetensors".into(), vec![3; 10]),
        ])
    };
    let hub = Hub::serve("org/tiny", files(index), honest);
    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    assert!(ran.stderr.contains("(5 files"), "{}", ran.stderr);
    assert_eq!(
        hub.read()[2..],
        ["model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"]
    );

    for (shard, expected) in
        [("../x", "puts a into \"../x\""), ("none.safetensors", "none.safetensors of org/tiny")]
    {
        let hub = Hub::serve("org/tiny", files(json!({ "weight_map": { "a": shard } })), honest);
        let ran = finish(&mut hub.command(&room.at(&format!("home-{}", shard.len())), &["pull", "org/tiny"]));
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn gguf_files_are_chosen_by_name() {
    let room = Room::new();
    let files =
        ["a-q4.gguf", "b-q8.gguf", "README.md"].map(|name| (name.to_owned(), name.as_bytes().to_vec()));
    let hub = Hub::serve("org/tiny", BTreeMap::from(files), honest);
    fails_simply(run(&room, &hub, &["pull", "org/tiny"]), "a-q4.gguf, b-q8.gguf", "org/tiny:a-q4.gguf");
    fails_simply(
        run(&room, &hub, &["pull", "org/tiny:c.gguf"]),
        "has no file \"c.gguf\"",
        "a-q4.gguf, b-q8.gguf",
    );
    fails_simply(run(&room, &hub, &["pull", "org/tiny:../c.gguf"]), "\"../c.gguf\" is refused", "");
    let ran = run(&room, &hub, &["pull", "org/tiny:b-q8.gguf"]).succeeded();
    assert_eq!(fs::read(ran.text().trim_end()).unwrap(), b"b-q8.gguf");
    assert_eq!(hub.read(), ["b-q8.gguf"]);
    let before = hub.seen().len();
    let listing = run(&room, &hub, &["models", "--json"]).succeeded().json();
    assert_eq!(listing["models"][1]["id"], json!("org/tiny:b-q8.gguf"));
    // It is looked at where it is, not asked for again.
    let ran = run(&room, &hub, &["tokens", "the cat", "-m", "org/tiny:b-q8.gguf"]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("b-q8.gguf"),
        "nine letters are no model: {}",
        ran.stderr
    );
    assert_eq!(hub.seen().len(), before);
}

#[track_caller]
fn fails_simply(ran: Outcome, expected: &str, help: &str) {
    assert_eq!(ran.code, Some(1));
    let (error, advice) = ran.stderr.rsplit_once("help: ").unwrap();
    assert!(error.contains(expected) && advice.contains(help), "{}", ran.stderr);
}

/// Gigabytes of a model that cannot be run are not downloaded first.
#[test]
fn a_family_that_is_not_supported_is_refused_early() {
    let room = Room::with_model();
    support::edit_json(&room.path("model/config.json"), |config| {
        config["model_type"] = "no_such_family".into();
    });
    let hub = Hub::of("org/tiny", &room.path("model"), honest);
    fails_simply(
        run(&room, &hub, &["pull", "org/tiny"]),
        "model_type is \"no_such_family\"",
        "headscope models",
    );
    assert_eq!(hub.read(), ["config.json"]);
}

/// What headscope writes, Python reads without a network, and the other way round.
#[cfg(unix)]
#[test]
fn python_shares_the_cache() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let can = Command::new(&python).args(["-c", "import huggingface_hub"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: {python} has no huggingface_hub");
    }
    let (room, hub) = hub(honest);
    let python = |home: &str, offline: &str, script: &str| {
        let inner = hub.command(&room.at(home), &[]);
        let mut command = Command::new(&python);
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("HF_HUB_OFFLINE", offline).env("HF_HUB_DISABLE_XET", "1").args(["-c", script]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let found = python(
        "home",
        "1",
        "import huggingface_hub as h\n\
         print(h.snapshot_download('org/tiny'))\n\
         print(h.hf_hub_download('org/tiny', 'model.safetensors'))\n\
         r, = h.scan_cache_dir().repos; v, = r.revisions\n\
         print(r.repo_id, v.commit_hash, sorted(v.refs), len(v.files), len(h.scan_cache_dir().warnings))",
    );
    let expected = format!(
        "{}\n{}\norg/tiny {COMMIT} ['main'] 3 0\n",
        snapshot(&room, "").parent().unwrap().join(COMMIT).display(),
        snapshot(&room, WEIGHTS).display()
    );
    assert_eq!(found, expected);

    let fetch = "import huggingface_hub as h\n\
                 for f in ['config.json', 'vocab.txt', 'model.safetensors']: h.hf_hub_download('org/tiny', f)";
    python("python", "0", fetch);
    let before = hub.seen().len();
    let out = room.at("out/t.safetensors");
    let args = ["trace", "the cat", "-m", "org/tiny", "-o", &out];
    finish(&mut hub.command(&room.at("python"), &args)).succeeded();
    assert_eq!(hub.seen().len(), before, "what Python downloaded is not asked for");
    let listed = finish(&mut hub.command(&room.at("python"), &["models", "--json"])).succeeded().json();
    assert_eq!(listed["models"][1]["revisions"], json!(["main"]));
}
