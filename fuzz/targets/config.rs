//! Any bytes as a configuration, over the weights of a tiny BERT.
#![no_main]

#[path = "model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    model::run(bytes, model::WEIGHTS);
});
