//! Folders that are no model, and what is no folder.

use super::*;

#[test]
fn folders_that_are_no_model() {
    let rows: &[Spoiled<'_>] = &[
        (
            |m| unlink(m, "config.json"),
            &["model has no config.json"],
            Some("a model folder holds config.json"),
        ),
        (
            |m| write(m, "config.json", "{\"model_type\": "),
            &["config.json: the file is no JSON object: EOF"],
            None,
        ),
        (|m| write(m, "config.json", "[1]"), &["config.json: the file is no JSON object"], None),
        (|m| write(m, "config.json", ""), &["config.json: the file is no JSON object: EOF"], None),
        (|m| folder(m, "config.json"), &["cannot read", "config.json: is a directory"], None),
        (|m| unlink(m, "model.safetensors"), &["model has no model.safetensors"], Some("model.safetensors")),
        (|m| folder(m, "model.safetensors"), &["cannot read", "model.safetensors: is a directory"], None),
        (
            |m| {
                unlink(m, "model.safetensors");
                let bin = repository().join("fixtures/pickles/command-zip.bin");
                fs::copy(bin, m.join("pytorch_model.bin")).unwrap();
            },
            &["pytorch_model.bin asks to run posix.system, which headscope never does"],
            Some("save_pretrained"),
        ),
        (
            |m| unlink(m, "vocab.txt"),
            &[
                "holds no tokenizer: expected tokenizer.json, vocab.txt, vocab.json with merges.txt, or a SentencePiece",
            ],
            Some("--ids"),
        ),
        (
            |m| write(m, "tokenizer.json", "{\"model\": {"),
            &["tokenizer.json is no tokenizer"],
            Some("download it again"),
        ),
        (
            |m| write(m, "tokenizer.json", "\u{0}\u{1}"),
            &["tokenizer.json is no tokenizer"],
            Some("download it again"),
        ),
        (
            |m| write(m, "vocab.txt", "the\ncat\n"),
            &["vocab.txt is no tokenizer", "[SEP]"],
            Some("download it again"),
        ),
        (|m| folder(m, "tokenizer.json"), &["cannot read", "tokenizer.json: Is a directory"], None),
        (
            |m| write(m, "tokenizer_config.json", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}"),
            &["tokenizer_config.json", "BertJapaneseTokenizer"],
            Some("download it again"),
        ),
        (
            |m| {
                // The tokenizer of another model: its ids lie beyond the table.
                fs::copy(repository().join("models/gte-small/tokenizer.json"), m.join("tokenizer.json"))
                    .unwrap();
            },
            &["token 0 has id 101, but", "has 97 of them"],
            Some("it is another model's"),
        ),
    ];
    for (change, expected, help) in rows {
        let room = Room::with_model();
        change(&room.path("model"));
        refused(&room, expected, *help);
    }
}

#[test]
fn models_that_are_no_folder() {
    let room = Room::with_model();
    fs::write(room.path("tiny.gguf"), "GGUF").unwrap();
    let (gguf, file, none) = (room.at("tiny.gguf"), room.at("model/model.safetensors"), room.at("none"));
    let model = room.at("model");
    let rows: &[(&[&str], &[&str], &str)] = &[
        (
            &["-m", &gguf],
            &["tiny.gguf is not a whole GGUF file: its version takes 4 bytes at 4, but 0 follow"],
            "copy it again",
        ),
        (
            &["-m", &gguf, "--revision", "v1"],
            &["tiny.gguf is a file here, which has no revision \"v1\""],
            "leave --revision out",
        ),
        (&["-m", &file], &["model.safetensors is a file; expected a model's folder"], &model),
        (&["-m", &none], &["there is no folder", &none], "config.json"),
        (&["-m", "./none"], &["there is no folder \"./none\""], "`headscope models` lists"),
        (&["-m", ""], &["there is no folder \"\""], "config.json"),
        (
            &["-m", "some/model"],
            &["no model \"some/model\"", "/nowhere/huggingface/hub"],
            "headscope pull some/model",
        ),
        (
            &["-m", &model, "--revision", "v1"],
            &["is a folder here, which has no revision \"v1\""],
            "leave --revision out",
        ),
        (
            &["-m", "gte-small", "--revision", "v1"],
            &["\"gte-small\" at revision \"v1\""],
            "headscope pull gte-small",
        ),
    ];
    let out = room.at("out/t.safetensors");
    for (args, expected, help) in rows {
        headscope(&[&["trace", "the cat", "-o", &out], *args].concat()).failed(expected, Some(help));
        headscope(&[&["tokens", "the cat"], *args].concat()).failed(expected, Some(help));
    }
    finish(support::command().args(["models", "--json"]).env("HF_HOME", "/dev/null")).succeeded();
    assert!(room.names("out").is_empty());
}
