//! What is not a tokenizer, or not a text, gets an error that says so, and never a panic.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::fs;
use std::path::PathBuf;

use headscope_text::{TextError, Tokenizer, VocabOptions};
use proptest::prelude::*;

const VOCAB: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\nsat\ne\n中\n.\n";

/// A whole tokenizer.json, small enough to damage at every byte.
const JSON: &str = r###"{
  "version": "1.0", "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
  "padding": {"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
  "added_tokens": [{"id": 3, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "cat": 5, "##s": 6, "sat": 7, ".": 8}}
}"###;

fn vocab() -> Tokenizer {
    Tokenizer::from_vocab(VOCAB.as_bytes(), &VocabOptions::default()).unwrap()
}

fn fault<T>(result: Result<T, TextError>) -> String {
    result.err().expect("this should be refused").to_string()
}

#[test]
fn settings_of_a_file_cut_and_pad_nothing() {
    let tokenizer = Tokenizer::from_json(JSON.as_bytes()).unwrap();
    let encoding = tokenizer.encode("the cats sat.", None).unwrap();
    let pieces: Vec<_> = encoding.tokens.iter().map(|t| t.piece.as_str()).collect();
    assert_eq!(pieces, ["[CLS]", "the", "cat", "##s", "sat", ".", "[SEP]"]);
    assert_eq!(encoding.tokens[3].span, Some(7..8));
}

#[test]
fn merges_of_unknown_pieces_are_refused() {
    let rows = [
        (r#"["a b"]"#, r#""a" and "b""#),
        (r#"[["a", "b"]]"#, r#""a" and "b""#),
        (r#"["a c"]"#, r#""a" and "c""#),
        (r#"["ab"]"#, r#""" and """#),
    ];
    for (merges, expected) in rows {
        let model = format!(r#"{{"type": "BPE", "vocab": {{"a": 0, "b": 1}}, "merges": {merges}}}"#);
        let json = format!(r#"{{"version": "1.0", "model": {model}}}"#);
        let found = fault(Tokenizer::from_json(json.as_bytes()));
        assert!(found.contains(&format!("the merge of {expected} is of pieces")), "{found}");
    }
    let whole = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}"#;
    assert_eq!(Tokenizer::from_json(whole.as_bytes()).unwrap().encode("ab", None).unwrap().tokens[0].id, 2);
}

#[test]
fn texts_without_anything_to_read_are_refused() {
    for (text, pair, expected) in [
        ("", None, "the text is empty"),
        (" \t\n\u{3000}", None, "the text holds only spaces"),
        ("\u{200b}\u{0}", None, "the text holds only characters that the tokenizer drops"),
        ("the", Some(""), "the second text is empty"),
        (" ", Some("cat"), "the first text holds only spaces"),
        ("the", Some("\u{ad}"), "the second text holds only characters that the tokenizer drops"),
    ] {
        assert_eq!(fault(vocab().encode(text, pair)), expected);
    }
    let error = vocab().ids(&[]).unwrap_err();
    assert_eq!(error.to_string(), "the list of token ids is empty");
    assert!(error.help().unwrap().contains("--ids"));
}

#[test]
fn limits_without_room_are_refused() {
    let check = |pair, limit, expected: Result<usize, &str>| {
        let cut = vocab().encode_truncated("the cats sat", pair, limit);
        let cut = cut.map(|encoding| encoding.len()).map_err(|e| e.to_string());
        assert_eq!(cut, expected.map_err(str::to_owned));
    };
    check(None, 3, Ok(3));
    check(None, 100, Ok(6));
    check(Some("the"), 5, Ok(5));
    check(None, 2, Err("a limit of 2 tokens leaves no room for text: expected at least 3"));
    check(Some("the"), 0, Err("a limit of 0 tokens leaves no room for text: expected at least 5"));
}

#[test]
fn special_tokens_in_a_text_are_told_from_words() {
    let encoding = vocab().encode("the [SEP] dog[MASK]", Some("[UNK]")).unwrap();
    let tokens: Vec<_> = encoding
        .tokens
        .iter()
        .map(|t| (t.piece.as_str(), t.special, t.span.clone().map(|s| &encoding.text[s]), t.segment))
        .collect();
    assert_eq!(
        tokens,
        [
            ("[CLS]", true, None, 0),
            ("the", false, Some("the"), 0),
            ("[SEP]", true, Some("[SEP]"), 0),
            ("[UNK]", false, Some("dog"), 0),
            ("[MASK]", true, Some("[MASK]"), 0),
            ("[SEP]", true, None, 0),
            ("[UNK]", false, Some("[UNK]"), 1),
            ("[SEP]", true, None, 1),
        ]
    );
}

#[test]
fn raw_ids_are_taken_as_they_are() {
    let encoding = vocab().ids(&[2, 6, 1, 3, 4_000_000_000]).unwrap();
    let tokens: Vec<_> = encoding.tokens.iter().map(|t| (t.piece.as_str(), t.special)).collect();
    assert_eq!(
        tokens,
        [("[CLS]", true), ("cat", false), ("[UNK]", false), ("[SEP]", true), ("<4000000000>", false)]
    );
    assert!(encoding.tokens.iter().all(|t| t.span.is_none() && t.segment == 0 && t.mask));
}

#[test]
fn files_that_are_no_vocabulary_are_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let error = Tokenizer::from_vocab(bytes, &VocabOptions::default()).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.help().is_some());
    };
    check(b"", r#"vocab.txt is no tokenizer that headscope can use: none of its 0 lines is "[SEP]""#);
    check(b"[CLS]\n[SEP]\nthe", r#"none of its 3 lines is "[UNK]", which every text needs"#);
    check(&VOCAB.as_bytes()[..12], r#"none of its 2 lines is "[SEP]""#);
    check(b"[UNK]\n[CLS]\n\xff\xfe", "byte 12 is not UTF-8; expected one piece a line");
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let check = |json: &str, expected: &str| {
        let error = fault(Tokenizer::from_json(json.as_bytes()));
        assert!(error.starts_with("tokenizer.json is no tokenizer that headscope can use: "));
        assert!(error.contains(expected), "{error}");
    };
    let changed = |from: &str, to: &str| {
        assert!(JSON.contains(from), "{from}");
        JSON.replace(from, to)
    };
    check("", "EOF");
    check("[]", "expected struct File");
    check("{}", "missing field `model`");
    check(&JSON[..700], "EOF");
    check(
        &changed(r#""type": "WordPiece", "unk"#, r#""type": "Runes", "unk"#),
        r#"its model does not parse: type "Runes"; supported are BPE, WordPiece, WordLevel, Unigram"#,
    );
    check(&changed(r#""the": 4"#, r#""the": "4""#), "its model does not parse: invalid type");
    check(&changed(r#""the": 4"#, r#""the": 4294967295"#), r#"the id of "the" is 4294967295"#);
    check(
        &changed(r#""[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "#, ""),
        r#"asks for the token "[CLS]", which its special_tokens lack"#,
    );
    check(
        &changed(
            r#"{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],"#,
            r#"{"Sequence": {"id": "B", "type_id": 0}}],"#,
        ),
        r#"asks for a text "B"; there is A"#,
    );
    check(&changed("BertPreTokenizer", "RunePreTokenizer"), "");
    assert!(fault(Tokenizer::from_json(b"\x80\x04\x95")).contains("byte 0 is not UTF-8"));

    // Without the unknown token a text can still be split, if all its words are known.
    let lacking = Tokenizer::from_json(changed(r#""[UNK]": 1, "#, "").as_bytes()).unwrap();
    assert_eq!(lacking.encode("the cats", None).unwrap().len(), 5);
    assert!(fault(lacking.encode("dog", None)).contains(r#""dog" needs the unknown token "[UNK]""#));
}

#[test]
fn options_that_split_in_another_way_are_refused() {
    let read = |json: &str| VocabOptions::from_json(json.as_bytes());
    let check = |json: &str, expected: &str| {
        let error = fault(read(json));
        assert!(error.contains(expected), "{error}");
    };
    check(r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#, "BertJapaneseTokenizer");
    check(r#"{"do_lower_case": "yes"}"#, "it does not parse");
    check("{", "it does not parse");
    assert_eq!(read(r#"{"tokenizer_class": "BertTokenizerFast"}"#).unwrap(), VocabOptions::default());
    let options =
        read(r#"{"unk_token": {"content": "<unk>", "lstrip": false}, "do_lower_case": false}"#).unwrap();
    assert_eq!((options.unk_token.as_str(), options.do_lower_case), ("<unk>", false));
}

#[test]
fn folders_name_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let load = || Tokenizer::from_dir(folder.path());
    assert!(fault(load()).contains("holds no tokenizer: expected tokenizer.json, vocab.txt, vocab.json"));
    write("vocab.txt", VOCAB);
    assert_eq!(load().unwrap().vocab_size(), 12);
    write("tokenizer_config.json", r#"{"do_lower_case": false}"#);
    assert_eq!(load().unwrap().encode("The", None).unwrap().tokens[1].piece, "[UNK]");
    write("tokenizer_config.json", "?");
    assert!(fault(load()).starts_with(&*folder.path().join("tokenizer_config.json").to_string_lossy()));
    write("tokenizer.json", JSON);
    assert_eq!(load().unwrap().vocab_size(), 9);
    write("tokenizer.json", &JSON[1..]);
    assert!(fault(load()).starts_with(&*folder.path().join("tokenizer.json").to_string_lossy()));
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    fs::create_dir(folder.path().join("tokenizer.json")).unwrap();
    assert!(matches!(load(), Err(TextError::Io { .. })));
}

#[test]
fn a_word_of_a_megabyte_is_one_unknown_token() {
    for word in ["x".repeat(1 << 20), "é".repeat(1 << 19), "[".repeat(1 << 20)] {
        let encoding = vocab().encode(&word, None).unwrap();
        let last = encoding.tokens[encoding.len() - 2].span.clone().unwrap();
        assert_eq!((encoding.tokens[1].piece.as_str(), last.end), ("[UNK]", word.len()));
    }
}

/// Tokenizes with whatever could be loaded; all that matters is that nothing panics.
fn use_it(loaded: Result<Tokenizer, TextError>) {
    let Ok(tokenizer) = loaded else { return };
    for (text, pair) in [("The cats sat.", None), ("[SEP] é中", Some("x the"))] {
        let _ = tokenizer.encode(text, pair);
        let _ = tokenizer.encode_truncated(text, pair, 5);
    }
    let _ = tokenizer.ids(&[0, 3, 70_000]);
}

fn tiny(name: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/text");
    fs::read(fixtures.join(name)).unwrap()
}

#[test]
fn no_cut_and_no_digit_panics() {
    for at in 0..JSON.len() {
        if !JSON.is_char_boundary(at) {
            continue;
        }
        use_it(Tokenizer::from_json(&JSON.as_bytes()[..at]));
        let mut changed = JSON.as_bytes().to_vec();
        for byte in [b'9', b'"', b'-'] {
            changed[at] = byte;
            use_it(Tokenizer::from_json(&changed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn spans_are_whole_characters_in_order(text in "\\PC{1,40}|[a-z中é\u{301}\u{200d}👩🚀 \\[\\]SEP]{1,60}") {
        let Ok(encoding) = vocab().encode(&text, Some("the")) else { return Ok(()) };
        prop_assert_eq!(encoding.texts().collect::<Vec<_>>(), [text.as_str(), "the"]);
        let mut end = 0;
        for span in encoding.tokens.iter().filter_map(|token| token.span.clone()) {
            prop_assert!(encoding.text.get(span.clone()).is_some_and(|text| !text.is_empty()));
            prop_assert!(span.end >= end, "{:?}", encoding);
            end = span.end;
        }
    }

    #[test]
    fn damaged_files_do_not_panic(
        file in 0..3usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), n in 1..4usize
    ) {
        let mut bytes = match file {
            0 => JSON.as_bytes().to_vec(),
            1 => tiny("bpe.json"),
            _ => tiny("unigram.json"),
        };
        let at = at.index(bytes.len() - n);
        bytes[at..at + n].fill(byte);
        use_it(Tokenizer::from_json(&bytes));
    }

    #[test]
    fn vocabularies_of_anything_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut lines = b"[UNK]\n[CLS]\n[SEP]\n".to_vec();
        lines.extend(bytes);
        use_it(Tokenizer::from_vocab(&lines, &VocabOptions::default()));
    }
}
