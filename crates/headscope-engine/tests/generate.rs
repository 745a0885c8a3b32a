//! Continuing a text: what is remembered changes no token.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use headscope_engine::{Checkpoint, Choice, Compute, EngineError, Input, Isa, Model};
use headscope_trace::{Encoding, Point, Tensor};
use serde_json::json;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn load(folder: impl AsRef<Path>) -> Model {
    Model::load(&Checkpoint::open(folder).unwrap(), &Compute::new(2, Isa::detect())).unwrap()
}

fn text(ids: &[u32]) -> Encoding {
    Encoding::from_ids(ids, |id| id.to_string())
}

fn greedy(model: &Model, ids: &[u32], max_tokens: usize) -> Vec<u32> {
    model.generate(text(ids).into(), max_tokens, Choice::Greedy, |_| ControlFlow::Continue(())).unwrap()
}

/// The scores of every token of a text in one pass.
fn logits(model: &Model, ids: &[u32]) -> Tensor {
    let trace = model.trace(text(ids), &model.sites("logits").unwrap()).unwrap();
    let (_, logits) = trace.values().find(|(site, _)| site.point == Point::Logits).unwrap();
    logits.clone()
}

fn likeliest(scores: &[f32]) -> u32 {
    (0..scores.len()).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap() as u32
}

/// Every fixture of one stack that predicts a next token: full and windowed masks, shared heads, rope that
/// stretches with the text, ALiBi, learned positions.
fn writers() -> impl Iterator<Item = (String, Model)> {
    let entries = std::fs::read_dir(fixture("")).unwrap().flatten();
    let models = entries.filter(|entry| entry.path().join("model.safetensors").exists());
    let models = models.map(|entry| (entry.file_name().into_string().unwrap(), load(entry.path())));
    models.filter(|(_, model)| model.predicts_next() && model.target_limits().is_none())
}

#[test]
fn each_token_is_the_likeliest_of_a_whole_pass() {
    for (name, model) in writers() {
        let mut ids = vec![5, 17, 3];
        let written = greedy(&model, &ids, 30);
        assert!(!written.is_empty(), "{name}");
        for token in written {
            let scores = logits(&model, &ids);
            assert_eq!(token, likeliest(scores.row(ids.len() - 1)), "{name}, after {ids:?}");
            ids.push(token);
        }
    }
}

/// A tiny model whose files say something else: (file, what they say), or null for what is not to be there.
fn edited(name: &str, edits: &[(&str, serde_json::Value)]) -> Result<Model, EngineError> {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture(name).join(file), copy.path().join(file)).unwrap();
    }
    for (file, said) in edits {
        let path = copy.path().join(file);
        let config = std::fs::read(&path).unwrap_or_else(|_| b"{}".to_vec());
        let mut config: serde_json::Map<_, _> = serde_json::from_slice(&config).unwrap();
        config.extend(said.as_object().unwrap().clone());
        config.retain(|_, value| !value.is_null());
        std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    }
    let checkpoint = Checkpoint::open(copy.path()).unwrap();
    Model::load(&checkpoint, &Compute::new(2, Isa::detect()))
}

/// The tiny llama, where a file says which tokens end a text.
fn llama_that_ends(file: &str, ends: &str) -> Model {
    let ends: serde_json::Value = serde_json::from_str(ends).unwrap();
    edited("llama", &[(file, json!({ "eos_token_id": ends }))]).unwrap()
}

/// Encoder-decoders of every kind: distances, learned positions, sines and cosines.
const OF_TWO_STACKS: &[&str] = &["t5", "t5-flan", "mt5", "bart", "mbart", "marian", "pegasus"];

#[test]
fn a_target_is_continued_as_a_whole_pass_would() {
    for name in OF_TWO_STACKS {
        let model = load(fixture(name));
        let input =
            |target: &[u32]| Input { target: Some(text(target)), ..Input::from(text(&[5, 17, 3, 40, 8])) };
        let go_on = |_| ControlFlow::Continue(());
        let mut ids = vec![0, 9];
        let written = model.generate(input(&ids), 12, Choice::Greedy, go_on).unwrap();
        assert!(!written.is_empty(), "{name}");
        for token in written {
            let trace = model.trace(input(&ids), &model.sites("decoder.logits").unwrap()).unwrap();
            let (_, logits) = trace.values().find(|(site, _)| site.point == Point::Logits).unwrap();
            assert_eq!(token, likeliest(logits.row(ids.len() - 1)), "{name}, after {ids:?}");
            ids.push(token);
        }
    }
}

/// What an encoder-decoder writes behind a target.
fn written_behind(model: &Model, target: &[u32], max_tokens: usize) -> Vec<u32> {
    let input = Input { target: Some(text(target)), ..Input::from(text(&[5, 17, 3])) };
    model.generate(input, max_tokens, Choice::Greedy, |_| ControlFlow::Continue(())).unwrap()
}

/// The tokens are transformers': bart and mbart with these files, greedily.
#[test]
fn the_token_that_must_come_first_does() {
    let (config, generation) = ("config.json", "generation_config.json");
    let forced = |id: u32| json!({ "forced_bos_token_id": id });
    let bart = |edits: &[_]| edited("bart", edits).unwrap();
    assert_eq!(written_behind(&bart(&[]), &[2], 5), [50, 11, 57, 57, 57]);
    assert_eq!(written_behind(&bart(&[(config, forced(7))]), &[2], 5), [7, 50, 11, 57, 11]);
    assert_eq!(written_behind(&bart(&[(config, forced(7))]), &[2, 50], 4), [11, 57, 57, 57], "not later");
    let both = bart(&[(config, forced(7)), (generation, forced(9))]);
    assert_eq!(written_behind(&both, &[4], 5), [9, 42, 11, 11, 57]);
    let mute = bart(&[(config, forced(7)), (generation, json!({ "num_beams": 4 }))]);
    assert_eq!(written_behind(&mute, &[2], 5), [50, 11, 57, 57, 57], "the file for writing counts alone");
    let mbart = edited("mbart", &[(config, forced(7))]).unwrap();
    assert_eq!(written_behind(&mbart, &[0], 5), [7, 9, 9, 9, 9]);

    for (id, detail) in [(61, "is 61; expected a token id below 61"), (-1, "is -1; expected a token id")] {
        let refused = edited("bart", &[(generation, json!({ "forced_bos_token_id": id }))]);
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("forced_bos_token_id") && error.ends_with(detail), "{error}");
    }
}

/// Transformers has a default for each family's configuration, and takes none of them when it writes.
#[test]
fn what_ends_a_text_is_said_by_a_file_or_nothing_does() {
    let (said, unsaid) = (json!({ "eos_token_id": 11 }), json!({ "eos_token_id": null }));
    let bart = |edit| edited("bart", &[("config.json", edit)]).unwrap();
    assert_eq!(written_behind(&bart(said), &[2], 5), [50, 11]);
    assert!(bart(unsaid.clone()).ends().is_empty());
    assert!(edited("t5", &[("config.json", unsaid)]).unwrap().ends().is_empty());
}

#[test]
fn writing_ends_where_positions_do_where_told_and_at_the_last_token() {
    let model = llama_that_ends("config.json", "null");
    let limit = model.limits().tokens;
    assert_eq!(greedy(&model, &[5, 17, 3], 9999).len(), limit - 3);
    let some = greedy(&model, &[5, 17, 3], 4);
    assert_eq!(some.len(), 4);
    assert!(greedy(&model, &[5, 17, 3], 0).is_empty());

    let mut left = 2;
    let told = |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken_off = model.generate(text(&[5, 17, 3]).into(), 9, Choice::Greedy, told).unwrap();
    assert_eq!(broken_off, some[..2]);

    let second = some[1];
    let end = some.iter().position(|token| *token == second).unwrap() + 1;
    for (file, ends) in [
        ("config.json", format!("{second}")),
        ("config.json", format!("[60, {second}, -1]")),
        ("generation_config.json", format!("[{second}]")),
    ] {
        let model = llama_that_ends(file, &ends);
        assert_eq!(greedy(&model, &[5, 17, 3], 9), some[..end], "{file}: {ends}");
    }
}

#[test]
fn chance_is_the_seeds() {
    let model = load(fixture("llama"));
    let write = |temperature, top_p, seed| {
        let choice = Choice::Sampled { temperature, top_p, seed };
        model.generate(text(&[5, 17, 3]).into(), 12, choice, |_| ControlFlow::Continue(())).unwrap()
    };
    assert_eq!(write(1.5, 0.95, 3), write(1.5, 0.95, 3));
    assert_ne!(write(1.5, 0.95, 3), write(1.5, 0.95, 4));
    assert_eq!(write(1e-6, 1.0, 3), greedy(&model, &[5, 17, 3], 12), "cold is greedy");
    assert_eq!(write(1.5, 1e-9, 3), greedy(&model, &[5, 17, 3], 12), "so is a choice of one");
}

#[test]
fn ranks_are_those_of_the_scores() {
    let model = load(fixture("llama"));
    let scores = logits(&model, &[5, 17, 3]);
    let ranked = model.rank(&scores, &[(0, 17), (2, 9)], 3);
    assert_eq!(ranked.len(), 2);
    for (rank, row) in ranked.iter().zip([0, 2]) {
        assert_eq!(rank.top[0].0, likeliest(scores.row(row)));
        assert!(rank.top[0].1 >= rank.probability && rank.top.len() == 3);
    }
    let all = model.rank(&scores, &[(1, 0)], usize::MAX);
    assert!((all[0].top.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn models_that_cannot_write_say_so() {
    for name in ["bert", "bert-masked-lm"] {
        let model = load(fixture(name));
        let written = model.generate(text(&[5]).into(), 3, Choice::Greedy, |_| ControlFlow::Continue(()));
        assert!(matches!(written, Err(EngineError::NoNext { .. })), "{name}");
    }
    let model = load(fixture("llama"));
    let written = |input| model.generate(input, 3, Choice::Greedy, |_| ControlFlow::Continue(()));
    assert!(matches!(written(text(&[]).into()), Err(EngineError::Empty { .. })));
    let two = Input { target: Some(text(&[6])), ..Input::from(text(&[5])) };
    assert!(matches!(written(two), Err(EngineError::OneStack { .. })));
}

/// stories15M is not part of this repository: its tokenizer has terms of its own.
#[test]
fn stories15m_writes_what_transformers_writes() {
    let Some(folder) = std::env::var_os("HEADSCOPE_STORIES15M") else {
        return println!("skipped: HEADSCOPE_STORIES15M names no folder of the model");
    };
    let recorded = std::fs::read(fixture("stories15M").join("greedy.json")).unwrap();
    let ids: Vec<u32> = serde_json::from_slice(&recorded).unwrap();
    let prompt = ids.len() - 200;
    assert_eq!(greedy(&load(folder), &ids[..prompt], 200), ids[prompt..]);
}
