//! A GGUF file is a whole model: configuration, weights and tokenizer.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::{Path, PathBuf};

use headscope::{Cache, Compute, Isa, Model, ModelFiles};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).join("model.gguf")
}

#[test]
fn its_tokenizer_is_read_from_its_metadata() {
    // a to z, A to Z, a space, "ab", " ab", and six control tokens, the first of which begins a text.
    let rows = [("ab", &[55, 53][..]), ("b ab", &[55, 1, 54]), ("aB <2>", &[55, 0, 27, 52, 57])];
    let files = ModelFiles::find(fixture("gguf-llama").to_str().unwrap(), None, &Cache::at("none")).unwrap();
    let model = Model::load(&files, &Compute::new(1, Isa::detect())).unwrap();
    for (text, expected) in rows {
        let encoding = model.encode(text, None, false).unwrap();
        let ids: Vec<u32> = encoding.tokens.iter().map(|token| token.id).collect();
        assert_eq!(ids, expected, "{text:?}");
        let trace = model.trace(text, None).unwrap();
        assert_eq!(trace.encoding.len(), expected.len());
    }
    assert_eq!(model.engine().card().dtype, "f16"); // what takes most bytes
}

#[test]
fn a_file_without_a_tokenizer_says_so() {
    let files = ModelFiles::open(fixture("gguf-qwen3")).unwrap();
    assert!(files.tokenizer().is_ok());
    let seed = fixture("../fuzz/corpus/gguf_read").with_file_name("qwen2.gguf");
    let error = ModelFiles::open(seed).unwrap().tokenizer().err().unwrap().to_string();
    assert!(error.contains("holds no piece"), "{error}");
}
