//! Vocabularies, settings and GGUF metadata that are cut, lie or do not fit together get an error
//! that says so, and never a panic.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::fs;
use std::path::PathBuf;

use headscope_text::{GgufVocabulary, TextError, Tokenizer};
use proptest::prelude::*;

type Folder<'a> = Vec<(&'a str, Vec<u8>)>;

fn load(folder: &[(&str, Vec<u8>)]) -> Result<Tokenizer, TextError> {
    Tokenizer::from_files(|name| {
        Ok(folder.iter().find(|(file, _)| *file == name).map(|(_, bytes)| bytes.clone()))
    })
}

fn fault<T>(result: Result<T, TextError>) -> String {
    result.err().expect("this should be refused").to_string()
}

/// The error of a folder: `file is no tokenizer that headscope can use: detail`.
fn check(folder: Folder<'_>, file: &str, detail: &str) {
    let found = fault(load(&folder));
    let expected = format!("{file} is no tokenizer that headscope can use: ");
    assert!(found.starts_with(&expected) && found.contains(detail), "{found}\nexpected: {expected}{detail}");
}

/// The settings of a class, and the vocabulary beside them.
fn folder<'a>(class: &str, files: &[(&'a str, &[u8])]) -> Folder<'a> {
    let settings = format!(r#"{{"tokenizer_class": "{class}"}}"#).into_bytes();
    let files = files.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
    files.chain([("tokenizer_config.json", settings)]).collect()
}

const VOCAB: &[u8] = br#"{"a": 0, "b": 1, "ab": 2, "<s>": 3, "</s>": 4, "<unk>": 5}"#;

// ------------------------------------------------------------------ a protocol buffer

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(id: u64, bytes: &[u8]) -> Vec<u8> {
    [number(id << 3 | 2), number(bytes.len() as u64), bytes.to_vec()].concat()
}

/// Pieces without scores, then further fields.
fn model(pieces: &[&str], rest: &[Vec<u8>]) -> Vec<u8> {
    let pieces = pieces.iter().map(|piece| field(1, &field(1, piece.as_bytes())));
    pieces.chain(rest.iter().cloned()).collect::<Vec<_>>().concat()
}

fn charsmap(bytes: &[u8]) -> Vec<u8> {
    field(3, &field(2, bytes))
}

#[test]
fn models_that_are_cut_or_lie_are_refused() {
    let albert = |bytes: &[u8], detail: &str| {
        check(folder("AlbertTokenizer", &[("spiece.model", bytes)]), "spiece.model", detail);
    };
    let whole = model(&["<pad>", "<unk>", "\u{2581}a"], &[]);
    assert!(load(&folder("AlbertTokenizer", &[("spiece.model", &whole)])).is_ok());
    albert(b"", "it holds no piece");
    albert(&whole[..whole.len() - 1], "it is cut short: a field claims 6 bytes; there are 5");
    albert(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], "a field claims 4294967295 bytes; there are 0");
    let most = [[0x0a].as_slice(), &[0xff; 9], &[0x01]].concat();
    albert(&most, "a field claims 18446744073709551615 bytes; there are 0");
    albert(&[0xff; 11], "it has a number of more than 64 bits");
    albert(b"version https://git-lfs.github.com/spec/v1\n", "it has a field of type 6");
    albert(&[0x0b], "it has a field of type 3");
    albert(&[0x08, 0x01], "its fields are of other types");
    albert(&field(1, &field(1, b"\xff\xfe")), "it has a piece that is not UTF-8: [255, 254]");
    albert(&model(&["<pad>"], &[]), "its unknown piece is 1; it has 1 pieces");
    let pieces = ["<pad>", "<unk>", "a"];
    albert(&model(&pieces, &[charsmap(&[1, 2])]), "its precompiled_charsmap is shorter than its length");
    albert(&model(&pieces, &[charsmap(&[0xff; 6])]), "claims a trie of 4294967295 bytes; there are 2");
    check(
        folder("CamembertTokenizer", &[("sentencepiece.bpe.model", &model(&["a"], &[field(2, &[0x18, 2])]))]),
        "sentencepiece.bpe.model",
        "its model_type is 2; supported with CamembertTokenizer is 1",
    );
    check(
        folder("PegasusTokenizer", &[("spiece.model", &model(&["a", "b", "c"], &[]))]),
        "spiece.model",
        r#"none of its pieces is "<unk>""#,
    );
    let long = "a".repeat(5000);
    check(
        folder("LlamaTokenizer", &[("tokenizer.model", &model(&[&long], &[]))]),
        "tokenizer.model",
        "one of its pieces has 5000 bytes; at most 4096",
    );
}

#[test]
fn a_charsmap_that_points_anywhere_rewrites_nothing() {
    // A root whose children are everywhere, and leaves whose texts begin beyond the end.
    for unit in [u32::MAX, 0x8000_0000, 0x100, 0x3ff_ff00, 0x161] {
        let trie: Vec<u8> = std::iter::repeat_n(unit.to_le_bytes(), 300).flatten().collect();
        let bytes = [&(trie.len() as u32).to_le_bytes()[..], &trie, b"\xff\0x"].concat();
        let model = model(&["<pad>", "<unk>", "\u{2581}a", "b"], &[charsmap(&bytes)]);
        let tokenizer = load(&folder("AlbertTokenizer", &[("spiece.model", &model)])).unwrap();
        let _ = tokenizer.encode("ab aa \u{301}é 中", None);
    }
}

#[test]
fn vocabularies_and_merges_that_do_not_fit_are_refused() {
    let gpt2 = |vocab: &[u8], merges: &[u8], file: &str, detail: &str| {
        check(folder("GPT2Tokenizer", &[("vocab.json", vocab), ("merges.txt", merges)]), file, detail);
    };
    assert!(
        load(&folder("GPT2Tokenizer", &[("vocab.json", VOCAB), ("merges.txt", b"#version: 0.2\na b\n")]))
            .is_ok()
    );
    gpt2(b"", b"", "vocab.json", "it does not parse");
    gpt2(br#"["a"]"#, b"", "vocab.json", "an object of pieces and their ids");
    gpt2(br#"{"a": "0"}"#, b"", "vocab.json", "it does not parse");
    gpt2(br#"{"a": 4294967296}"#, b"", "vocab.json", "it does not parse");
    gpt2(br#"{"a": 4294967295}"#, b"", "vocab.json", r#"the id of "a" is 4294967295"#);
    gpt2(b"{\"\xff\": 1}", b"", "vocab.json", "it does not parse");
    gpt2(VOCAB, b"\xff", "merges.txt", "byte 0 is not UTF-8; expected two pieces a line");
    gpt2(VOCAB, b"#version: 0.2\na b\nab\n", "merges.txt", r#"line 3 is "ab"; expected two pieces"#);
    gpt2(VOCAB, b"a b c\n", "merges.txt", r#"line 1 is "a b c"; expected two pieces"#);
    gpt2(VOCAB, b"a  b\n", "merges.txt", "expected two pieces");
    gpt2(VOCAB, b"a c\n", "vocab.json", r#"the merge of "a" and "c" is of pieces that its vocabulary lacks"#);
    gpt2(VOCAB, b"b a\n", "vocab.json", r#"the merge of "b" and "a" is of pieces"#);
}

#[test]
fn folders_without_what_their_class_needs_are_refused() {
    let lacks = "there is no such file, which this tokenizer_class needs";
    let vocab = [("vocab.json", VOCAB)];
    check(folder("RobertaTokenizerFast", &[("vocab.txt", b"")]), "vocab.json", lacks);
    check(folder("RobertaTokenizer", &vocab), "merges.txt", lacks);
    check(folder("T5Tokenizer", &vocab), "spiece.model", lacks);
    check(folder("XLMRobertaTokenizer", &vocab), "sentencepiece.bpe.model", lacks);
    check(folder("DebertaV2Tokenizer", &vocab), "spm.model", lacks);
    check(folder("LlamaTokenizer", &vocab), "tokenizer.model", lacks);
    check(folder("MarianTokenizer", &vocab), "source.spm", lacks);
    check(folder("MPNetTokenizer", &vocab), "vocab.txt", lacks);
    check(
        folder("BertJapaneseTokenizer", &vocab),
        "tokenizer_config.json",
        r#"its tokenizer_class is "BertJapaneseTokenizer"; supported without a tokenizer.json are BertTokenizer, "#,
    );
    check(
        vec![("vocab.json", VOCAB.to_vec())],
        "vocab.json",
        "nothing says how it is used; expected a tokenizer_class",
    );
    let unknown = br#"{"model_type": "bloom"}"#.to_vec();
    check(
        vec![("config.json", unknown), ("vocab.json", VOCAB.to_vec())],
        "vocab.json",
        r#"the model_type "bloom" does not say how it is used"#,
    );
    check(vec![("config.json", b"[".to_vec())], "config.json", "it does not parse");
    let error = load(&[("config.json", br#"{"model_type": "gpt2"}"#.to_vec())]);
    assert!(fault(error).contains("vocab.json"));
    assert!(fault(load(&folder("DebertaV2Tokenizer", &[]))).contains("holds no tokenizer"));
    assert!(fault(load(&[])).contains("expected tokenizer.json, vocab.txt, vocab.json with merges.txt"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let roberta = |settings: &str, detail: &str| {
        let files =
            [("vocab.json", VOCAB), ("merges.txt", b"a b\n"), ("tokenizer_config.json", settings.as_bytes())];
        let folder = files.map(|(name, bytes)| (name, bytes.to_vec()));
        let found = fault(load(&folder));
        assert!(found.contains(detail), "{found}");
    };
    let class = r#""tokenizer_class": "RobertaTokenizer""#;
    roberta("{", "it does not parse");
    roberta("[]", "it does not parse");
    roberta(
        &format!(r#"{{{class}, "cls_token": 5}}"#),
        "one of its tokens is 5; expected a string or an object",
    );
    roberta(&format!(r#"{{{class}, "cls_token": {{"lstrip": true}}}}"#), "expected a content");
    roberta(&format!(r#"{{{class}, "cls_token": null}}"#), "every text needs a cls_token; there is none");
    roberta(&format!(r#"{{{class}, "cls_token": ""}}"#), r#"the cls_token "" has no id"#);
    roberta(
        &format!(r#"{{{class}, "add_prefix_space": "yes"}}"#),
        r#"its add_prefix_space is "yes"; expected true or false"#,
    );
    roberta(&format!(r#"{{{class}, "added_tokens_decoder": []}}"#), "its added_tokens_decoder is no object");
    roberta(
        &format!(r#"{{{class}, "added_tokens_decoder": {{"-1": "x"}}}}"#),
        r#"its added_tokens_decoder has an id "-1""#,
    );

    let t5 = |settings: &str, detail: &str| {
        let settings = format!(r#"{{"tokenizer_class": "T5Tokenizer", {settings}}}"#);
        let bytes = model(&["<pad>", "</s>", "<unk>"], &[]);
        check(
            vec![("spiece.model", bytes), ("tokenizer_config.json", settings.into())],
            "spiece.model",
            detail,
        );
    };
    t5(r#""extra_ids": -1"#, "its extra_ids is -1; expected a number from 0 to 10000");
    t5(r#""extra_ids": 1e12"#, "its extra_ids is 1000000000000.0");
    let mbart = r#"{"tokenizer_class": "MBartTokenizer", "src_lang": "xx_XX"}"#;
    check(
        vec![("sentencepiece.bpe.model", model(&["a"], &[])), ("tokenizer_config.json", mbart.into())],
        "sentencepiece.bpe.model",
        r#"its src_lang is "xx_XX", which is none of its pieces"#,
    );
    let added = br#"{"<new>": -3}"#;
    check(
        folder("GPT2Tokenizer", &[("vocab.json", VOCAB), ("merges.txt", b""), ("added_tokens.json", added)]),
        "added_tokens.json",
        r#"the id of "<new>" is no number of 32 bits"#,
    );
}

#[test]
fn marian_vocabularies_that_lack_the_unknown_token_are_refused() {
    let pieces = model(&["<unk>", "<s>", "</s>", "a"], &[]);
    let files = |vocab: &'static [u8]| {
        [("source.spm", pieces.as_slice()), ("target.spm", &pieces), ("vocab.json", vocab)]
    };
    check(folder("MarianTokenizer", &files(br#"{"a": 0}"#)), "source.spm", r#"its vocab.json lacks "<unk>""#);
    let tokenizer = load(&folder("MarianTokenizer", &files(VOCAB))).unwrap();
    let encoding = tokenizer.encode(">>fra<< ac c", None).unwrap();
    let tokens: Vec<_> =
        encoding.tokens.iter().map(|t| (t.id, t.span.clone().map(|s| &encoding.text[s]))).collect();
    assert_eq!(tokens, [(5, Some(">>fra<<")), (5, Some(" ")), (0, Some("a")), (5, Some("c c")), (4, None)],);
    let apart = r#"{"tokenizer_class": "MarianTokenizer", "separate_vocabs": true}"#;
    let mut folder = folder("MarianTokenizer", &files(VOCAB));
    folder.last_mut().unwrap().1 = apart.into();
    check(folder, "target_vocab.json", "there is no such file");
}

// ------------------------------------------------------------------ GGUF

fn gguf() -> GgufVocabulary {
    GgufVocabulary {
        architecture: "llama".into(),
        model: "llama".into(),
        tokens: ["<unk>", "<s>", "</s>", "\u{2581}", "a", "\u{2581}a"].map(String::from).into(),
        scores: Some(vec![0.0, 0.0, 0.0, -1.0, -2.0, -0.5]),
        token_types: Some(vec![2, 3, 3, 1, 1, 1]),
        bos_id: Some(1),
        ..GgufVocabulary::default()
    }
}

#[test]
fn gguf_vocabularies_that_do_not_fit_together_are_refused() {
    let check = |change: fn(&mut GgufVocabulary), detail: &str| {
        let mut vocabulary = gguf();
        change(&mut vocabulary);
        let found = fault(Tokenizer::from_gguf(&vocabulary));
        assert!(found.contains(detail), "{found}");
    };
    let ids: Vec<_> = Tokenizer::from_gguf(&gguf())
        .unwrap()
        .encode("a", None)
        .unwrap()
        .tokens
        .iter()
        .map(|t| t.id)
        .collect();
    assert_eq!(ids, [1, 5]);
    check(|v| v.model = "bert".into(), r#"its tokenizer.ggml.model is "bert"; supported are llama, gpt2"#);
    check(|v| v.tokens.clear(), "its tokenizer.ggml.tokens holds no piece");
    check(|v| v.scores = Some(vec![0.0]), "its tokenizer.ggml.scores has 1 entries; expected 6, as tokens");
    check(|v| v.token_types = Some(vec![1; 7]), "its tokenizer.ggml.token_type has 7 entries; expected 6");
    check(|v| v.scores = None, "it has neither tokenizer.ggml.merges nor tokenizer.ggml.scores");
    check(|v| v.bos_id = Some(6), "its bos_token is 6; its tokenizer.ggml.tokens end at 5");
    check(
        |v| v.merges = Some(vec!["ab".into()]),
        r#"its tokenizer.ggml.merges hold "ab"; expected two pieces"#,
    );
    check(|v| v.merges = Some(vec!["a b".into()]), r#"the merge of "a" and "b" is of pieces"#);
    check(|v| v.tokens[4] = "a".repeat(5000), "one of its pieces has 5000 bytes");
    let mut odd = gguf();
    odd.scores = Some(vec![f32::NAN, f32::INFINITY, -0.0, f32::NEG_INFINITY, f32::NAN, f32::NAN]);
    assert!(Tokenizer::from_gguf(&odd).unwrap().encode("a aa", None).is_ok());
}

// ------------------------------------------------------------------ damage

/// Tokenizes and decodes with whatever could be loaded; all that matters is that nothing panics.
fn use_it(loaded: Result<Tokenizer, TextError>) {
    let Ok(tokenizer) = loaded else { return };
    for (text, pair) in [("The cats sat.", None), (">>fra<< é中\t\n", Some("the 🐈"))] {
        let Ok(encoding) = tokenizer.encode(text, pair) else { continue };
        let _ = tokenizer.encode_target(text);
        let ids: Vec<u32> = encoding.tokens.iter().map(|token| token.id).collect();
        let mut stream = tokenizer.stream();
        let streamed: String = ids.iter().map(|&id| stream.push(id)).collect();
        let _ = streamed + &stream.finish();
        let _ = tokenizer.decode(&ids);
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/text/files").join(name)).unwrap()
}

#[test]
fn no_cut_of_a_model_panics() {
    let bytes = fixture("t5.model");
    for end in (0..bytes.len()).step_by(7) {
        use_it(load(&folder("T5Tokenizer", &[("spiece.model", &bytes[..end])])));
    }
}

const PIECES: [(&str, &str); 12] = [
    ("T5Tokenizer", "t5.model"),
    ("XLMRobertaTokenizer", "fairseq.model"),
    ("CamembertTokenizer", "fairseq.model"),
    ("AlbertTokenizer", "albert.model"),
    ("DebertaV2Tokenizer", "deberta.model"),
    ("MBartTokenizer", "fairseq.model"),
    ("MBart50Tokenizer", "fairseq.model"),
    ("PegasusTokenizer", "t5.model"),
    ("LlamaTokenizer", "llama.model"),
    ("GemmaTokenizer", "gemma.model"),
    ("PreTrainedTokenizerFast", "llama.model"),
    ("MarianTokenizer", "source.spm"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn damaged_models_do_not_panic(
        kind in 0..PIECES.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(), n in 1..6usize
    ) {
        let (class, file) = PIECES[kind];
        let mut bytes = fixture(file);
        let at = at.index(bytes.len() - n);
        bytes[at..at + n].fill(byte);
        let files: [(&str, &[u8]); 4] = [
            ("tokenizer.model", &bytes), ("source.spm", &bytes), ("target.spm", &bytes), ("vocab.json", VOCAB),
        ];
        use_it(load(&folder(class, &files)));
    }

    #[test]
    fn damaged_vocabularies_and_merges_do_not_panic(
        merges in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), n in 1..4usize
    ) {
        let mut files = [fixture("roberta-vocab.json"), fixture("merges.txt")];
        let bytes = &mut files[usize::from(merges)];
        let at = at.index(bytes.len() - n);
        bytes[at..at + n].fill(byte);
        let [vocab, merges] = &files;
        use_it(load(&folder("RobertaTokenizer", &[("vocab.json", vocab), ("merges.txt", merges)])));
    }

    #[test]
    fn spans_of_bytes_cover_their_character(text in "\\PC{1,12}|[a-z é中😀👩\u{200d}🚀]{1,16}") {
        for (class, files) in [
            ("LlamaTokenizer", vec![("tokenizer.model", fixture("llama.model"))]),
            ("GPT2Tokenizer", vec![("vocab.json", fixture("gpt2-vocab.json")), ("merges.txt", fixture("merges.txt"))]),
        ] {
            let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
            let Ok(encoding) = load(&folder(class, &files)).unwrap().encode(&text, None) else { continue };
            let mut end = 0;
            for span in encoding.tokens.iter().filter_map(|token| token.span.clone()) {
                prop_assert!(span.start <= end && span.end >= end, "{encoding:?}"); // no gap, and whole characters:
                prop_assert!(encoding.text.get(span.clone()).is_some_and(|text| !text.is_empty()));
                end = span.end;
            }
            prop_assert_eq!(end, text.len());
        }
    }
}
