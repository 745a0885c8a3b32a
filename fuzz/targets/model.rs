//! Loading and running a model whose files are in memory.
#![allow(dead_code)] // each target takes one of the two files

use std::sync::{Arc, LazyLock};

use headscope_engine::{Bytes, Checkpoint, Compute, Input, Isa, Model, Sites};
use headscope_trace::Encoding;
use memmap2::MmapMut;

pub const CONFIG: &[u8] = include_bytes!("../../fixtures/bert-one-head/config.json");
pub const WEIGHTS: &[u8] = include_bytes!("../../fixtures/bert-one-head/model.safetensors");

/// Weights of tiny decoders, by the name that a configuration has of them.
const DECODERS: &[(&[u8], &[u8])] = &[
    (b"\"gpt2\"", include_bytes!("../../fixtures/gpt2-unscaled/model.safetensors")),
    (b"\"gpt_neo\"", include_bytes!("../../fixtures/gpt_neo-local/model.safetensors")),
    (b"\"gpt_neox\"", include_bytes!("../../fixtures/gpt_neox-linear/model.safetensors")),
    (b"\"gptj\"", include_bytes!("../../fixtures/gptj-tied/model.safetensors")),
    (b"\"opt\"", include_bytes!("../../fixtures/opt-after/model.safetensors")),
    (b"\"bloom\"", include_bytes!("../../fixtures/bloom-untied/model.safetensors")),
    (b"\"llama\"", include_bytes!("../../fixtures/llama-dynamic/model.safetensors")),
    (b"\"gemma\"", include_bytes!("../../fixtures/gemma-biased/model.safetensors")),
    (b"\"gemma2\"", include_bytes!("../../fixtures/gemma2-uncapped/model.safetensors")),
    (b"\"gemma3_text\"", include_bytes!("../../fixtures/gemma3_text-linear/model.safetensors")),
    (b"\"phi\"", include_bytes!("../../fixtures/phi-dynamic/model.safetensors")),
    (b"\"phi3\"", include_bytes!("../../fixtures/phi3-longrope/model.safetensors")),
    (b"\"olmo2\"", include_bytes!("../../fixtures/olmo2-llama3/model.safetensors")),
    (b"\"smollm3\"", include_bytes!("../../fixtures/smollm3-interval/model.safetensors")),
    (b"\"gpt_oss\"", include_bytes!("../../fixtures/gpt_oss-usual/model.safetensors")),
];

/// The weights of the decoder that a configuration names, or else of a tiny BERT.
pub fn weights_of(config: &[u8]) -> &'static [u8] {
    let names = |name: &[u8]| config.windows(name.len()).any(|window| window == name);
    DECODERS.iter().find(|(name, _)| names(name)).map_or(WEIGHTS, |(_, weights)| weights)
}

static COMPUTE: LazyLock<Compute> = LazyLock::new(|| Compute::new(1, Isa::PORTABLE));

/// Bytes that are given back when the model is dropped, as those of a file are.
pub fn mapped(bytes: &[u8]) -> Bytes {
    let mut map = MmapMut::map_anon(bytes.len().max(1)).unwrap();
    map[..bytes.len()].copy_from_slice(bytes);
    Bytes::Mapped(Arc::new(map.make_read_only().unwrap()))
}

pub fn run(config: &[u8], weights: &[u8]) {
    let checkpoint = Checkpoint {
        id: "fuzz".into(),
        revision: None,
        config: ("config.json".into(), mapped(config)),
        generation: None,
        weights: vec![("model.safetensors".into(), mapped(weights))],
    };
    run_checkpoint(&checkpoint);
}

/// Loads a model and, if that works, runs it on three tokens.
pub fn run_checkpoint(checkpoint: &Checkpoint) {
    let Ok(model) = Model::load(checkpoint, &COMPUTE) else { return };
    let text = Encoding::from_ids(&[0, 5, 1], |id| id.to_string());
    let target = model.target_limits().map(|_| text.clone());
    let _ = model.trace(Input { target, ..Input::from(text) }, &Sites::patterns(&model));
}
