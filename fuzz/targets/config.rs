//! Any bytes as a configuration, over the weights of a tiny model of the family that they name.
#![no_main]

#[path = "model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    model::run(bytes, model::weights_of(bytes));
});
