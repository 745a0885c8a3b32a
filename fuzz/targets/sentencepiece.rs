//! Any bytes as a SentencePiece model: the first chooses a class, the rest is its file.
#![no_main]

#[path = "tokenizer.rs"]
mod tokenizer;

use headscope::text::Tokenizer;
use libfuzzer_sys::fuzz_target;

const CLASSES: [&str; 12] = [
    "T5Tokenizer",
    "XLMRobertaTokenizer",
    "CamembertTokenizer",
    "AlbertTokenizer",
    "DebertaV2Tokenizer",
    "MBartTokenizer",
    "MBart50Tokenizer",
    "PegasusTokenizer",
    "LlamaTokenizer",
    "GemmaTokenizer",
    "PreTrainedTokenizerFast",
    "MarianTokenizer",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, model)) = bytes.split_first() else { return };
    let class = CLASSES[choice as usize % CLASSES.len()];
    let loaded = Tokenizer::from_files(|name| {
        Ok(match name {
            "tokenizer.json" | "config.json" => None,
            "tokenizer_config.json" => Some(format!(r#"{{"tokenizer_class": "{class}"}}"#).into_bytes()),
            "vocab.json" => Some(br#"{"</s>": 0, "<unk>": 1, "\u2581the": 2, "s": 3}"#.to_vec()),
            "tokenizer.model" | "source.spm" | "target.spm" => Some(model.to_vec()),
            _ => None,
        })
    });
    tokenizer::run(loaded);
});
