//! Any bytes as a tokenizer, and a few texts through it.
#![no_main]

use headscope::text::Tokenizer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_json(bytes) else { return };
    for (text, pair) in [("The cats sat.", None), ("[SEP] é中 \u{202e}x", Some("the 🐈"))] {
        let _ = tokenizer.encode(text, pair);
        let _ = tokenizer.encode_truncated(text, pair, 5);
    }
    let _ = tokenizer.ids(&[0, 3, 70_000]);
});
