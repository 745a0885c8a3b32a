//! Models in PyTorch's formats, and in GGUF files, as users have them.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::fs;
use std::path::{Path, PathBuf};

use headscope_engine::{Checkpoint, Compute, EngineError, Isa, Model};
use headscope_trace::{Encoding, Trace};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn load(folder: &Path) -> Result<Model, EngineError> {
    Model::load(&Checkpoint::open(folder)?, &Compute::new(2, Isa::detect()))
}

fn traced(model: &Model) -> Trace {
    let text = Encoding::from_ids(&[3, 1, 4, 1, 5, 9, 2, 6], |id| id.to_string());
    let mut trace = model.trace(text, &model.sites("*").unwrap()).unwrap();
    trace.card.id.clear();
    trace.card.hash.clear();
    trace
}

/// A folder with the configuration of a tiny BERT and these files of `fixtures/pickles`.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join("bert-one-head/config.json"), folder.path().join("config.json")).unwrap();
    for (from, to) in files {
        fs::copy(fixtures().join("pickles").join(from), folder.path().join(to)).unwrap();
    }
    folder
}

#[test]
fn pytorch_checkpoints_give_the_same_bits_as_safetensors() {
    let expected = traced(&load(&fixtures().join("bert-one-head")).unwrap());
    for name in ["bert-zip.bin", "bert-legacy.bin"] {
        let folder = folder(&[(name, "pytorch_model.bin")]);
        let model = load(folder.path()).unwrap();
        assert!(traced(&model) == expected, "{name}");
        model.pack();
        assert!(traced(&model) == expected, "{name}, packed");
    }
}

#[test]
fn shards_of_pickles_are_found_by_their_index() {
    let names = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    let folder = folder(&[("bert-zip.bin", names[0]), ("views-legacy.bin", names[1])]);
    let index = format!(r#"{{"weight_map": {{"a": "{}", "b": "{}"}}}}"#, names[0], names[1]);
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index).unwrap();
    assert!(
        traced(&load(folder.path()).unwrap()) == traced(&load(&fixtures().join("bert-one-head")).unwrap())
    );
    fs::copy(fixtures().join("pickles/bert-zip.bin"), folder.path().join(names[1])).unwrap();
    let error = load(folder.path()).err().unwrap().to_string();
    assert!(error.contains("is in") && error.contains("too; expected one"), "{error}");
}

#[test]
fn safetensors_come_first() {
    let folder = folder(&[("command-zip.bin", "pytorch_model.bin")]);
    fs::copy(fixtures().join("bert-one-head/model.safetensors"), folder.path().join("model.safetensors"))
        .unwrap();
    load(folder.path()).unwrap();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let error = load(folder.path()).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("asks to run posix.system, which headscope never does; expected tensors alone")
    );
    assert!(error.help().unwrap().contains("safetensors"));
}
