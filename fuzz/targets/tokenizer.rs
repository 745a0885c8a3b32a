//! A few texts through whatever tokenizer could be loaded, and back.

use headscope::text::{TextError, Tokenizer};

pub fn run(loaded: Result<Tokenizer, TextError>) {
    let Ok(tokenizer) = loaded else { return };
    for (text, pair) in [("The cats sat.", None), (">>fra<< é中 \u{202e}x\t\n", Some("the 🐈"))] {
        let Ok(encoding) = tokenizer.encode(text, pair) else { continue };
        let ids: Vec<u32> = encoding.tokens.iter().map(|token| token.id).collect();
        let _ = tokenizer.encode_target(text);
        let _ = tokenizer.decode(&ids);
        let mut stream = tokenizer.stream();
        for id in ids {
            let _ = stream.push(id);
        }
        let _ = stream.finish();
    }
    let _ = tokenizer.ids(&[0, 3, 70_000]);
}
