//! Loading and running a model whose files are in memory.
#![allow(dead_code)] // each target takes one of the two files

use std::sync::{Arc, LazyLock};

use headscope_engine::{Bytes, Checkpoint, Compute, Isa, Model, Sites};
use headscope_trace::Encoding;
use memmap2::MmapMut;

pub const CONFIG: &[u8] = include_bytes!("../../fixtures/bert-one-head/config.json");
pub const WEIGHTS: &[u8] = include_bytes!("../../fixtures/bert-one-head/model.safetensors");

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
    let encoding = Encoding::from_ids(&[0, 5, 1], |id| id.to_string());
    let _ = model.trace(encoding, &Sites::patterns(&model));
}
