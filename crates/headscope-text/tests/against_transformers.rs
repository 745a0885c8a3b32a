//! Ids, segments and spans as transformers gives them, recorded by `fixtures/make.py text`.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use headscope_text::{Tokenizer, VocabOptions};
use headscope_trace::Encoding;
use serde::Deserialize;
use serde_json::Value;

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

fn bytes(relative: &str) -> Vec<u8> {
    fs::read(path(relative)).unwrap()
}

/// The bytes of the joined texts that each token stands for.
type Spans = Vec<Option<[usize; 2]>>;

/// Ids, segments and spans.
type Row = (Vec<u32>, Vec<u32>, Spans);

/// Texts, the most tokens allowed, and the spans of those that stay.
type Cut = (Vec<String>, usize, Spans);

#[derive(Deserialize)]
struct Expected {
    settings: BTreeMap<String, Value>,
    lines: Vec<Vec<String>>,
    cuts: Vec<Cut>,
    #[serde(flatten)]
    rows: BTreeMap<String, Value>,
}

impl Expected {
    fn read() -> Expected {
        serde_json::from_slice(&bytes("fixtures/text/expected.json")).unwrap()
    }

    fn rows(&self, name: &str) -> Vec<Row> {
        serde_json::from_value(self.rows[&format!("rows of {name}")].clone()).unwrap()
    }
}

fn row(encoding: &Encoding) -> Row {
    let tokens = &encoding.tokens;
    (
        tokens.iter().map(|token| token.id).collect(),
        tokens.iter().map(|token| token.segment).collect(),
        spans(encoding),
    )
}

fn spans(encoding: &Encoding) -> Spans {
    let spans = encoding.tokens.iter().map(|token| token.span.clone());
    spans.map(|span| span.map(|span| [span.start, span.end])).collect()
}

fn encode(tokenizer: &Tokenizer, texts: &[String]) -> Encoding {
    tokenizer.encode(&texts[0], texts.get(1).map(String::as_str)).unwrap()
}

fn check_lines(name: &str, tokenizer: &Tokenizer) {
    let expected = Expected::read();
    for (texts, expected) in expected.lines.iter().zip(expected.rows(name)) {
        let encoding = encode(tokenizer, texts);
        assert_eq!(row(&encoding), expected, "{name}: {texts:?}");
        assert!(encoding.texts().eq(texts.iter()), "{name}: {texts:?}");
        for token in &encoding.tokens {
            assert!(token.mask);
            let text = token.span.clone().map(|span| &encoding.text[span]);
            assert_ne!(text, Some(""), "{name}: {token:?}");
        }
    }
}

fn gte_small_vocab(options: &VocabOptions) -> Tokenizer {
    Tokenizer::from_vocab(&bytes("models/gte-small/vocab.txt"), options).unwrap()
}

#[test]
fn a_vocab_txt_splits_as_transformers_does() {
    let settings = Expected::read().settings;
    assert_eq!(settings.len(), 5);
    for (name, config) in settings {
        let options = VocabOptions::from_json(config.to_string().as_bytes()).unwrap();
        check_lines(&name, &gte_small_vocab(&options));
    }
}

#[test]
fn a_tokenizer_json_splits_as_transformers_does() {
    check_lines("uncased", &Tokenizer::from_dir(path("models/gte-small")).unwrap());
    for name in ["bpe", "unigram"] {
        let file = bytes(&format!("fixtures/text/{name}.json"));
        check_lines(name, &Tokenizer::from_json(&file).unwrap());
    }
}

#[test]
fn a_limit_cuts_the_longer_text_first() {
    let tokenizer = gte_small_vocab(&VocabOptions::default());
    for (texts, limit, expected) in Expected::read().cuts {
        let pair = texts.get(1).map(String::as_str);
        let encoding = tokenizer.encode_truncated(&texts[0], pair, limit).unwrap();
        assert_eq!(spans(&encoding), expected, "{texts:?} cut to {limit}");
        assert!(encoding.texts().eq(texts.iter()), "the text stays whole");
    }
}
