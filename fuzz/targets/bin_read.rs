//! Any bytes as a PyTorch checkpoint: its pickle and storages, and a tiny BERT of them.
#![no_main]

#[path = "model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    model::run(model::CONFIG, bytes);
});
