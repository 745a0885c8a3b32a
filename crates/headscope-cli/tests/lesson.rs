//! The lesson: which models it is told on, what it runs, and what it answers.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::collections::BTreeMap;
use std::fs;

use headscope::trace::Header;
use serde_json::{Value, json};
use support::app::{App, Reply};
use support::{PAIR, Room, headscope};

/// A room with two tiny models of the same vocabulary.
fn room(model: &str, other: &str) -> Room {
    let room = Room::with(model);
    room.model("other", other);
    for folder in ["model", "other"] {
        let path = room.path(&format!("{folder}/tokenizer_config.json"));
        fs::write(path, r#"{"tokenizer_class": "BertTokenizer"}"#).unwrap();
    }
    room
}

/// The tensors of each scene in an answer.
fn scenes(reply: &Reply) -> BTreeMap<String, Vec<String>> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let length = u64::from_le_bytes(reply.body[..8].try_into().unwrap()) as usize;
    let places: BTreeMap<String, [usize; 2]> = serde_json::from_slice(&reply.body[8..8 + length]).unwrap();
    let tensors = |[start, end]: [usize; 2]| {
        let header = Header::read(&reply.body[8 + length..][start..end]).unwrap();
        header.tensors.iter().map(|tensor| tensor.name.clone()).collect()
    };
    places.into_iter().map(|(name, place)| (name, tensors(place))).collect()
}

fn sentences(pair: [&str; 2], senses: [&str; 2]) -> Vec<u8> {
    json!({ "pair": pair, "senses": senses }).to_string().into_bytes()
}

const SENSES: [&str; 2] = ["the cat sat", "a dog sat"];

#[test]
fn the_scenes_hold_what_the_figures_need() {
    let room = room("bert", "llama");
    let app = App::start(&["learn", "-m", &room.at("model"), "--decoder", &room.at("other")]);
    assert_eq!(app.page, "/learn");
    let scenes = scenes(&app.post("/api/lesson", &sentences(PAIR, SENSES)));
    assert_eq!(scenes.keys().collect::<Vec<_>>(), ["decoder", "first", "padded", "pair", "second"]);
    let has = |scene: &str, name: &str| scenes[scene].iter().any(|tensor| tensor == name);
    for name in ["blocks.0.attn.q", "blocks.1.attn.k", "blocks.2.attn.v"] {
        assert!(has("pair", name), "{name}: {:?}", scenes["pair"]);
    }
    for name in
        ["word_embed", "pos_embed", "blocks.0.resid_pre", "blocks.2.resid_pre", "last_hidden", "atlas"]
    {
        assert!(has("first", name) && has("second", name), "{name}: {:?}", scenes["first"]);
    }
    assert!(has("padded", "blocks.0.attn.q") && !has("padded", "blocks.1.attn.q"));
    assert!(has("decoder", "blocks.0.attn.q"));
}

#[test]
fn it_begins_with_the_readers_sentences() {
    let room = room("bert", "llama");
    let app = App::start(&["learn", "a cat", "a dog", "-m", &room.at("model")]);
    let page = app.get("/learn");
    assert_eq!(page.status, 200);
    let syllabus = page.text().split("data-syllabus=\"").nth(1).unwrap().split('"').next().unwrap();
    let syllabus: Value = serde_json::from_str(&syllabus.replace("&quot;", "\"")).unwrap();
    assert_eq!(syllabus["sentences"]["pair"], json!(["a cat", "a dog"]));
    assert_eq!(app.get("/lesson.js").header("content-type"), Some("text/javascript; charset=utf-8"));
    // The workbench is on the same server, and shows the way.
    assert!(app.get("/").text().contains("data-teaches=\"true\""));
}

#[test]
fn what_cannot_be_told_is_said() {
    let room = room("bert", "llama");
    let app = App::start(&["learn", "-m", &room.at("model")]);
    let rows: [(Vec<u8>, u16, &str); 5] = [
        (sentences(["the cat", " "], SENSES), 422, "only spaces"),
        (sentences(["the cat", &"a dog ".repeat(40)], SENSES), 422, "room for 64"),
        (sentences(PAIR, ["", "a"]), 422, "empty"),
        (br#"{"pair": ["a"]}"#.to_vec(), 422, "pair"),
        (b"what?".to_vec(), 400, "JSON"),
    ];
    for (body, status, expected) in rows {
        let reply = app.post("/api/lesson", &body);
        let (message, _) = reply.problem();
        assert!(reply.status == status && message.contains(expected), "{} {message}", reply.status);
    }
    assert_eq!(app.get("/api/piece?id=5").text(), "\"the\"");
    assert_eq!(app.get("/api/piece?id=4000000000").text(), "null");
    assert_eq!(app.get("/api/piece?id=x").status, 400);
}

#[test]
fn the_workbench_of_a_decoder_has_no_lesson() {
    let room = room("llama", "bert");
    let app = App::start(&["the cat", "-m", &room.at("model")]);
    assert!(app.get("/").text().contains("data-teaches=\"false\""));
    let reply = app.get("/learn");
    let (message, help) = reply.problem();
    assert_eq!(reply.status, 409);
    assert!(message.contains("not every token may see every other"), "{message}");
    assert!(help.unwrap().contains("--decoder"));
}

#[test]
fn models_that_the_chapters_do_not_fit_are_refused() {
    let rows = [
        ("llama", "bert", vec![], &["not told on", "not every token"][..], "gte-small"),
        ("t5", "bert", vec![], &["an encoder and a decoder"], "gte-small"),
        ("deberta-v2", "bert", vec![], &["made of more than"], "gte-small"),
        ("bert", "albert", vec!["--decoder"], &["is no decoder"], "left to right"),
    ];
    for (model, other, options, expected, help) in rows {
        let room = room(model, other);
        let (model, other, file) = (room.at("model"), room.at("other"), room.at("out/l.html"));
        let mut args = vec!["learn", "the cat", "a dog", "-m", &model, "-o", &file];
        for option in options {
            args.extend([option, &other]);
        }
        headscope(&args).failed(expected, Some(help));
        assert!(!room.path("out/l.html").exists());
    }
}

#[test]
fn a_file_carries_it_all() {
    let room = room("bert", "llama");
    let (model, file) = (room.at("model"), room.at("out/l.html"));
    let said = headscope(&["learn", "the </script> cat", "a dog", "-m", &model, "-o", &file]).succeeded();
    assert!(said.stderr.contains("l.html"));
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.contains("data-scenes=\"pair padded first second\""));
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
    for outside in ["https://", "src=\"http"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
