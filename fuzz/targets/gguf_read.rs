//! Any bytes as a GGUF file: its metadata, and the model that it describes.
#![no_main]

#[path = "model.rs"]
mod model;

use headscope_engine::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_gguf("fuzz.gguf".into(), model::mapped(bytes)) else { return };
    if let Ok(Some(metadata)) = checkpoint.gguf_metadata() {
        let _ = metadata.texts("tokenizer.ggml.tokens");
        let _ = metadata.numbers("tokenizer.ggml.scores");
        let _ = metadata.flag("tokenizer.ggml.add_bos_token");
    }
    model::run_checkpoint(&checkpoint);
});
