//! Texts, and prompts that a model cannot take.

use super::*;

#[test]
fn texts_that_cannot_be_run() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let long = "the cat sat ".repeat(20);
    let word = "x".repeat(100_000);
    let rows: &[(&[&str], &[&str], Option<&str>)] = &[
        (&[""], &["the text is empty"], Some("at least one word")),
        (&[" \t\n"], &["the text holds only spaces"], Some("at least one word")),
        (&["\u{200b}\u{ad}"], &["the text holds only characters that the tokenizer drops"], Some("word")),
        (&["the cat", " "], &["the second text holds only spaces"], Some("at least one word")),
        (&["", "the cat"], &["the first text is empty"], Some("at least one word")),
        (&[&long], &["62 tokens", "takes at most 40"], Some("--truncate")),
        (&[&long, &long], &["123 tokens", "takes at most 40"], Some("--truncate")),
        (&["--ids", "2,97,3"], &["token 1 has id 97", "has 97 of them"], Some("ids go from 0 to 96")),
        (&["--ids", "4294967295"], &["token 0 has id 4294967295"], Some("ids go from 0 to 96")),
        (&["the cat", "--sites", "blocks.3.*"], &["no site of", "\"blocks.3.*\""], Some("blocks.3.attn.q")),
        (&["the cat", "--sites", "embed,"], &["is called \"\""], Some("* stands for any letters")),
    ];
    for (args, expected, help) in rows {
        headscope(&[&["trace", "-m", &model, "-o", &file], *args].concat()).failed(expected, *help);
        assert!(room.names("out").is_empty());
    }
    for (text, tokens) in [(long.as_str(), 40), (&word, 3)] {
        headscope(&["trace", text, "--truncate", "-m", &model, "-o", &file]).succeeded();
        let trace = Trace::open(&file).unwrap();
        assert_eq!(
            (trace.encoding.len(), trace.encoding.text.as_str()),
            (tokens, text),
            "the text stays whole"
        );
    }
    headscope(&["tokens", " ", "-m", &model]).failed(&["holds only spaces"], Some("word"));
    headscope(&["", "-m", &model, "--no-browser"]).failed(&["the text is empty"], Some("word"));
}

#[test]
fn a_decoder_takes_pairs_and_no_more_than_its_positions() {
    let room = Room::with("llama");
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let long = "the cat sat ".repeat(20);
    headscope(&["trace", &long, "-m", &model, "-o", &file])
        .failed(&["62 tokens", "takes at most 40"], Some("--truncate"));
    headscope(&["trace", "--ids", "2,61", "-m", &model, "-o", &file])
        .failed(&["token 1 has id 61", "has 61 of them"], Some("ids go from 0 to 60"));
    headscope(&["trace", "the cat", "a dog", "-m", &model, "-o", &file]).succeeded();
    let trace = Trace::open(&file).unwrap();
    let segments: Vec<u32> = trace.encoding.tokens.iter().map(|token| token.segment).collect();
    assert_eq!(segments, [0, 0, 0, 0, 1, 1, 1]);
}
