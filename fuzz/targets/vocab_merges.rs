//! Any bytes as `vocab.json`, `merges.txt` and `tokenizer_config.json`, with 0xFF between them.
#![no_main]

#[path = "tokenizer.rs"]
mod tokenizer;

use headscope::text::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut files = bytes.splitn(3, |byte| *byte == 0xff).map(<[u8]>::to_vec);
    let [vocab, merges, config] = std::array::from_fn(|_| files.next());
    let loaded = Tokenizer::from_files(|name| {
        Ok(match name {
            "vocab.json" => vocab.clone(),
            "merges.txt" => merges.clone(),
            "tokenizer_config.json" => config.clone(),
            "config.json" => Some(br#"{"model_type": "gpt2"}"#.to_vec()),
            _ => None,
        })
    });
    tokenizer::run(loaded);
});
