//! A Hub that refuses, is busy, cannot be reached, or lies.

use super::*;

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
