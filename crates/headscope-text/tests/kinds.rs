//! Every kind of tokenizer file and every class, with the ids, segments, spans and texts that
//! transformers gives; recorded by `fixtures/make.py text`.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use headscope_text::{GgufVocabulary, Tokenizer};
use headscope_trace::Encoding;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Lines {
    /// Texts and pairs.
    lines: Vec<Vec<String>>,
    many: Vec<String>,
}

/// Segments, and the bytes of the joined texts that tokens stand for.
type Spans = (Vec<u32>, Vec<Option<[usize; 2]>>);

#[derive(Deserialize)]
struct Kind {
    name: String,
    /// What a GGUF file says, in place of files.
    gguf: Option<Value>,
    /// The vocabularies, under the names that the class looks for.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// The files beside them.
    #[serde(default)]
    settings: BTreeMap<String, Value>,
    /// Check sums of the ids of all lines.
    sums: Vec<u32>,
    /// The rest is of every seventh line.
    ids: Vec<Vec<u32>>,
    /// With special tokens, and without.
    decoded: Vec<[String; 2]>,
    /// Ids of the first texts for the decoder, where they differ.
    targets: Option<Vec<Vec<u32>>>,
    /// Segments, and the bytes that tokens stand for; none where transformers cannot tell.
    spans: Option<Vec<Spans>>,
}

/// All lines, those of `many` behind the others, and all kinds.
fn recorded() -> (Vec<Vec<String>>, Vec<Kind>) {
    let Lines { mut lines, many } = serde_json::from_slice(&bytes("lines.json")).unwrap();
    lines.extend(many.into_iter().map(|line| vec![line]));
    let files = fs::read_dir(path("kinds")).unwrap().map(|file| file.unwrap().path());
    let kinds: Vec<Kind> =
        files.map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect();
    assert_eq!((lines.len(), kinds.len()), (361, 48));
    (lines, kinds)
}

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/text").join(relative)
}

fn bytes(relative: &str) -> Vec<u8> {
    fs::read(path(relative)).unwrap()
}

impl Kind {
    fn tokenizer(&self) -> Tokenizer {
        if let Some(gguf) = &self.gguf {
            return Tokenizer::from_gguf(&vocabulary(gguf)).unwrap();
        }
        let read = |name: &str| {
            let vocabulary = self.files.get(name).map(|file| bytes(&format!("files/{file}")));
            Ok(vocabulary.or_else(|| self.settings.get(name).map(|value| value.to_string().into_bytes())))
        };
        Tokenizer::from_files(read).unwrap()
    }
}

/// A vocabulary as JSON, which is how the fixtures hold what a GGUF file says.
fn vocabulary(json: &Value) -> GgufVocabulary {
    let id = |key: &str| json[key].as_u64().map(|id| id as u32);
    fn list<T: for<'de> Deserialize<'de>>(value: &Value) -> Option<Vec<T>> {
        serde_json::from_value(value.clone()).unwrap()
    }
    GgufVocabulary {
        architecture: json["architecture"].as_str().unwrap().into(),
        model: json["model"].as_str().unwrap().into(),
        pre: json["pre"].as_str().map(str::to_owned),
        tokens: list(&json["tokens"]).unwrap(),
        scores: list(&json["scores"]),
        token_types: list(&json["token_types"]),
        merges: list(&json["merges"]),
        bos_id: id("bos_id"),
        eos_id: id("eos_id"),
        unk_id: id("unk_id"),
        pad_id: id("pad_id"),
        add_bos: json["add_bos"].as_bool(),
        add_eos: json["add_eos"].as_bool(),
    }
}

fn ids(encoding: &Encoding) -> Vec<u32> {
    encoding.tokens.iter().map(|token| token.id).collect()
}

/// FNV-1a of the ids as four bytes each.
fn check_sum(ids: &[u32]) -> u32 {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes());
    bytes.fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[test]
fn ids_are_those_of_transformers() {
    let (lines, kinds) = recorded();
    for kind in &kinds {
        let (name, tokenizer) = (&kind.name, kind.tokenizer());
        assert_eq!(kind.sums.len(), lines.len());
        let mut wrong = Vec::new();
        for (index, (parts, sum)) in lines.iter().zip(&kind.sums).enumerate() {
            let found = ids(&tokenizer.encode(&parts[0], parts.get(1).map(String::as_str)).unwrap());
            match (index % 7, kind.ids.get(index / 7)) {
                (0, Some(expected)) => assert_eq!(&found, expected, "{name}: {parts:?}"),
                _ if check_sum(&found) != *sum => wrong.push(parts),
                _ => {}
            }
        }
        if let Some(first) = wrong.first() {
            let found = tokenizer.encode(&first[0], first.get(1).map(String::as_str)).unwrap();
            let pieces: Vec<_> = found.tokens.iter().map(|token| &token.piece).collect();
            panic!("{name}: {} lines differ, the first is {first:?}: {pieces:?}", wrong.len());
        }
    }
}

#[test]
fn segments_and_spans_are_those_of_transformers() {
    let (lines, kinds) = recorded();
    for kind in &kinds {
        let (name, tokenizer, Some(spans)) = (&kind.name, kind.tokenizer(), &kind.spans) else { continue };
        for (parts, (segments, spans)) in lines.iter().step_by(7).zip(spans) {
            let encoding = tokenizer.encode(&parts[0], parts.get(1).map(String::as_str)).unwrap();
            let found: Vec<_> = encoding.tokens.iter().map(|token| token.segment).collect();
            assert_eq!(&found, segments, "{name}: {parts:?}");
            for (token, expected) in encoding.tokens.iter().zip(spans) {
                let found = token.span.clone().map(|span| [span.start, span.end]);
                assert_eq!(found, *expected, "{name}: {token:?} of {parts:?}");
            }
        }
    }
}

#[test]
fn texts_for_the_decoder_and_of_ids_are_those_of_transformers() {
    let (lines, kinds) = recorded();
    for kind in &kinds {
        let (name, tokenizer) = (&kind.name, kind.tokenizer());
        let mut ids_and_texts = kind.ids.iter().zip(&kind.decoded);
        for (index, parts) in lines.iter().step_by(7).enumerate() {
            let Some((known, [whole, plain])) = ids_and_texts.next() else { break };
            let expected = match &kind.targets {
                Some(targets) => targets[index].clone(),
                None => ids(&tokenizer.encode(&parts[0], None).unwrap()),
            };
            assert_eq!(ids(&tokenizer.encode_target(&parts[0]).unwrap()), expected, "{name}: {parts:?}");
            assert_eq!(&tokenizer.decode(known), whole, "{name}: {parts:?}");
            assert_eq!(&tokenizer.decode_plain(known), plain, "{name}: {parts:?}");

            let mut stream = tokenizer.stream();
            let mut streamed: String = known.iter().map(|&id| stream.push(id)).collect();
            streamed += &stream.finish();
            assert_eq!(&streamed, whole, "{name}, one by one: {parts:?}");
        }
    }
}
