//! Models with an encoder and a decoder: what the decoder reads, what is recorded and what is shown.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;

use headscope::{Attn, Stack, Trace};
use serde_json::json;
use support::app::App;
use support::{Room, edit_json, headscope};

/// A room with a tiny model and, whatever its family, a tokenizer of words.
fn room(fixture: &str) -> Room {
    let room = Room::with(fixture);
    fs::write(room.path("model/tokenizer_config.json"), r#"{"tokenizer_class": "BertTokenizer"}"#).unwrap();
    room
}

/// Traces with the tiny model of `room`, and reads the file.
fn trace(room: &Room, args: &[&str]) -> Trace {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    headscope(&[&["trace", "-m", &model, "-o", &file], args].concat()).succeeded();
    Trace::open(&file).unwrap()
}

fn attn(stack: Stack, cross: bool) -> Attn {
    Attn { stack, layer: 0, cross }
}

/// What the decoder read, as pieces.
fn read_by_decoder(trace: &Trace) -> String {
    let tokens = &trace.target.as_ref().unwrap().tokens;
    tokens.iter().map(|token| token.piece.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn ids_are_read_as_they_are_by_both_stacks() {
    let room = room("t5");
    fs::remove_file(room.path("model/vocab.txt")).unwrap(); // no tokenizer is needed
    let trace = trace(&room, &["--ids", "5,6,7,8,1", "--decoder-ids", "0,9,10"]);
    let sites: Vec<String> = trace.values().map(|(site, _)| site.to_string()).collect();
    assert_eq!(
        sites,
        [
            "encoder.blocks.0.attn.pattern",
            "encoder.blocks.1.attn.pattern",
            "encoder.last_hidden",
            "decoder.blocks.0.attn.pattern",
            "decoder.blocks.0.cross_attn.pattern",
            "decoder.last_hidden",
            "decoder.logits",
        ]
    );
    let shape = |stack, cross| trace.pattern(attn(stack, cross), 2).unwrap().shape().to_vec();
    assert_eq!(shape(Stack::Encoder, false), [5, 5]);
    assert_eq!(shape(Stack::Decoder, false), [3, 3]);
    assert_eq!(shape(Stack::Decoder, true), [3, 5]);
    assert_eq!(read_by_decoder(&trace), "<0> <9> <10>");
    assert_eq!(trace.pattern(attn(Stack::Decoder, false), 0).unwrap().row(0), [1.0, 0.0, 0.0]);
}

#[test]
fn a_target_is_read_behind_the_start_and_without_its_end() {
    let room = room("t5");
    let config = room.path("model/config.json");
    let generation = room.path("model/generation_config.json");
    let read = |args: &[&str]| read_by_decoder(&trace(&room, args));
    let target = ["the cat sat", "--target", "The dog played"];
    assert_eq!(read(&target), "[PAD] [CLS] the dog played");
    assert_eq!(read(&["the cat sat", "The dog played"]), "[PAD] [CLS] the dog played");
    assert_eq!(read(&["the cat", "--decoder-ids", "2,5,6"]), "[CLS] the cat");
    assert_eq!(read(&["--ids", "5,6", "--target", "a dog"]), "[PAD] [CLS] a dog");

    fs::write(&generation, r#"{"decoder_start_token_id": 4}"#).unwrap();
    assert_eq!(read(&target), "[MASK] [CLS] the dog played");
    edit_json(&config, |config| config["decoder_start_token_id"] = json!(1));
    assert_eq!(read(&target), "[UNK] [CLS] the dog played", "config.json comes first");

    room.model("model", "mbart");
    fs::remove_file(&generation).unwrap();
    assert_eq!(read(&target), "[SEP] [CLS] the dog played", "no token is first in all texts");
}

/// A fixture, what it is given, and what the error and its help say.
type Refusal<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<&'a str>);

#[test]
fn targets_that_cannot_be_run() {
    let long = "the cat sat ".repeat(20);
    let rows: &[Refusal<'_>] = &[
        ("t5", &["the cat"], &["has an encoder and a decoder; nothing was given"], Some("--target")),
        ("t5", &["--ids", "5"], &["nothing was given that the decoder reads"], Some("--decoder-ids")),
        ("t5", &["the cat", "--target", " "], &["the text holds only spaces"], Some("at least one word")),
        (
            "t5",
            &["--ids", "5", "--decoder-ids", "0,61"],
            &["token 1 of the target has id 61"],
            Some("0 to 60"),
        ),
        ("t5", &["--ids", "61", "--decoder-ids", "0"], &["token 0 has id 61"], Some("0 to 60")),
        ("bart", &["the cat", &long], &["the target has 62 tokens", "at most 30"], Some("--truncate")),
        ("bart", &[&long, "the cat"], &["the text has 62 tokens", "at most 30"], Some("--truncate")),
        (
            "marian-two-vocabularies",
            &["--ids", "60", "--decoder-ids", "46,47"],
            &["token 1 of the target has id 47", "has 47 of them"],
            Some("0 to 46"),
        ),
        ("bert", &["the cat", "--target", "the dog"], &["has one stack of layers"], None),
        ("bert", &["--ids", "5", "--decoder-ids", "6"], &["has one stack of layers"], None),
    ];
    for (fixture, args, expected, help) in rows {
        let room = room(fixture);
        let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
        headscope(&[&["trace", "-m", &model, "-o", &file], *args].concat()).failed(expected, *help);
        assert!(room.names("out").is_empty());
    }
    let room = room("bart");
    let cut = trace(&room, &["the cat", &long, "--truncate"]);
    assert_eq!(cut.target.unwrap().len(), 30);
}

#[test]
fn configurations_of_two_stacks_that_are_not_understood() {
    let rows: &[(&str, &str, serde_json::Value, &[&str])] = &[
        ("t5", "is_encoder_decoder", json!(false), &["is false; supported is true"]),
        (
            "t5",
            "feed_forward_proj",
            json!("dense-relu"),
            &["is \"dense-relu\"; expected an activation, or gated-"],
        ),
        ("mt5", "feed_forward_proj", json!("gated-mash"), &["is \"mash\"; supported are gelu, "]),
        ("t5", "dense_act_fn", json!("mash"), &["is \"mash\"; supported are gelu, "]),
        ("t5", "num_heads", json!(0), &["is 0; expected at least 1"]),
        ("t5", "relative_attention_num_buckets", json!(3), &["is 3; expected at least 4"]),
        (
            "t5",
            "relative_attention_max_distance",
            json!(6),
            &["is 6; expected more than half of the 12 buckets"],
        ),
        ("t5", "decoder_start_token_id", json!(-1), &["is -1; expected a token id"]),
        ("bart", "is_decoder", json!(true), &["is true; supported is false"]),
        ("bart", "activation_function", json!("mash"), &["is \"mash\"; supported are gelu, "]),
        ("bart", "encoder_attention_heads", json!(5), &["d_model is 36; expected a multiple of the 5 heads"]),
        ("bart", "scale_embedding", json!("yes"), &["is \"yes\"; expected true or false"]),
        ("marian", "share_encoder_decoder_embeddings", json!(3), &["is 3; expected true or false"]),
    ];
    for (fixture, key, value, expected) in rows {
        let room = room(fixture);
        edit_json(&room.path("model/config.json"), |config| config[*key] = value.clone());
        let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
        let ran = headscope(&["trace", "--ids", "5", "--decoder-ids", "6", "-m", &model, "-o", &file]);
        ran.failed(expected, None);
    }
}

#[test]
fn saved_traces_open_and_pages_are_written() {
    let room = room("t5");
    let (model, file, view) = (room.at("model"), room.at("out/t.safetensors"), room.at("out/view.html"));
    trace(&room, &["the cat sat", "the dog"]);
    for (args, expected) in [
        (&[][..], "{}"),
        (&["--part", "decoder"], r#"{"layer":2}"#),
        (&["--part", "cross", "--head", "2"], r#"{"layer":3,"head":2}"#),
        (&["--layer", "1"], r#"{"layer":1}"#),
    ] {
        headscope(&[&["open", &file, "-o", &view], args].concat()).succeeded();
        let page = fs::read_to_string(&view).unwrap().replace("&quot;", "\"");
        assert!(page.contains(&format!("data-focus=\"{expected}\"")), "{args:?}");
        assert!(page.contains("<title>the cat sat | the dog · headscope</title>"));
    }
    let refused = [
        (&["--part", "cross", "--layer", "1"][..], "there is no layer 1 to show; the trace has 0"),
        (&["--layer", "2"], "there is no layer 2 to show; the trace has 0, 1"),
        (&["--part", "decoder", "--head", "3"], "there is no head 3"),
    ];
    for (args, expected) in refused {
        headscope(&[&["open", &file, "-o", &view], args].concat()).failed(&[expected], None);
    }
    headscope(&["the cat", "--target", "the dog", "-m", &model, "-o", &view]).succeeded();
    let room = Room::with_model();
    let args = ["the cat", "-m", &room.at("model"), "-o", &room.at("out/view.html"), "--part", "cross"];
    headscope(&args).failed(&["cross cannot be shown; the trace has a single stack"], None);
}

#[test]
fn a_target_is_written_from_its_start_or_continued() {
    let room = room("t5");
    let written = trace(&room, &["the cat sat", "--generate", "5"]);
    let target = written.target.as_ref().unwrap();
    assert_eq!((target.tokens[0].id, written.prompt), (0, Some(1)));
    assert!((2..=6).contains(&target.len()));
    assert_eq!(written.predictions.len(), target.len() - 1);
    let continued = trace(&room, &["the cat sat", "the dog", "--generate", "3"]);
    assert_eq!(continued.prompt, Some(4));
    assert!(read_by_decoder(&continued).starts_with("[PAD] [CLS] the dog "));
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    room.model("model", "mbart");
    let args = ["trace", "the cat", "--generate", "3", "-m", &model, "-o", &file];
    headscope(&args).failed(&["nothing was given that the decoder reads"], Some("--target"));
}

#[test]
fn the_app_runs_a_source_and_its_target() {
    let room = room("t5");
    let app = App::start(&["the cat sat", "the dog", "-m", &room.at("model")]);
    // Encoder 0, encoder 1, decoder, cross: of [CLS] the cat sat [SEP] and [PAD] [CLS] the dog.
    for (layer, numbers) in [(0, 25), (1, 25), (2, 16), (3, 20)] {
        let reply = app.get(&format!("/api/pattern?layer={layer}&head=1&run=0"));
        assert_eq!((reply.status, reply.floats().len()), (200, numbers), "layer {layer}");
    }
    let ran = app.run(&["a mat", "a dog played"]);
    assert_eq!((ran.status, ran.header("x-headscope-run")), (200, Some("1")));
    assert_eq!(app.get("/api/pattern?layer=3&head=0&run=1").floats().len(), 5 * 4);
    let (message, help) = app.run(&["a mat"]).problem();
    assert!(message.contains("nothing was given that the decoder reads"), "{message}");
    assert!(help.unwrap().contains("a second text"));
}
