//! Bad input gets one line that names the thing, what was expected and what was found, a way out
//! where there is one, and leaves nothing half-written behind.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;
use std::path::Path;

use headscope::Trace;
use serde_json::{Value, json};
use support::{
    Outcome, Room, edit_json, edit_tensors, finish, headscope, in_shell, join, offset, repository, split,
};

/// Traces with the model of `room` and checks what it says; nothing may be written.
#[track_caller]
fn refused(room: &Room, expected: &[&str], help: Option<&str>) {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    headscope(&["trace", "the cat", "-m", &model, "-o", &file]).failed(expected, help);
    assert!(room.names("out").is_empty());
}

/// Runs the command in 2 GB of addresses, where the system can limit them.
const LITTLE_MEMORY: &str =
    if cfg!(target_os = "linux") { r#"ulimit -v 2000000; exec "$0" "$@""# } else { r#"exec "$0" "$@""# };

/// Traces under a limit on memory that no claimed size fits into.
fn in_little_memory(room: &Room) -> Outcome {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    in_shell(LITTLE_MEMORY, &["trace", "the cat", "--threads", "2", "-m", &model, "-o", &file])
}

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
fn configurations_that_are_not_understood() {
    let check = |key: &str, value: Value, expected: &[&str], help: Option<&str>| {
        let room = Room::with_model();
        let path = room.path("model/config.json");
        edit_json(&path, |config| config[key] = value);
        let ran = in_little_memory(&room);
        ran.failed(&[expected, &[path.to_str().unwrap(), key]].concat(), help);
        assert!(room.names("out").is_empty());
    };
    check(
        "model_type",
        json!("mamba"),
        &["is \"mamba\"; supported are ", "bert, "],
        Some("headscope models"),
    );
    check("model_type", json!(null), &["is missing; expected a name"], Some("headscope models"));
    check("model_type", json!(7), &["is 7; expected a name"], Some("headscope models"));
    check("hidden_act", json!("mish"), &["is \"mish\"; supported are gelu, "], None);
    check("hidden_act", json!(["gelu"]), &["is [\"gelu\"]; expected a name"], None);
    check(
        "position_embedding_type",
        json!("relative_key"),
        &["\"relative_key\"; supported is \"absolute\""],
        None,
    );
    check("is_decoder", json!(true), &["is true; supported is false"], None);
    check("hidden_size", json!(40), &["is 40; expected a multiple of the 3 heads"], None);
    check("layer_norm_eps", json!("tiny"), &["is \"tiny\"; expected a number"], None);
    check("layer_norm_eps", json!(1e300), &["is 1e+300; expected a number that f32 can hold"], None);
    check("tie_word_embeddings", json!("yes"), &["is \"yes\"; expected true or false"], None);
    for key in ["hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size", "type_vocab_size"] {
        check(key, json!(0), &["is 0; expected at least 1"], None);
        for wrong in
            [json!("36"), json!(-36), json!(3.5), json!([3]), json!({"n": 3}), json!(true), json!(1e30)]
        {
            check(key, wrong, &["expected a whole number from 0 up"], None);
        }
    }
}

#[test]
fn decoders_that_are_not_understood() {
    let check = |fixture: &str, edit: &dyn Fn(&mut Value), expected: &[&str]| {
        let room = Room::with(fixture);
        let path = room.path("model/config.json");
        edit_json(&path, edit);
        in_little_memory(&room).failed(&[&[path.to_str().unwrap()], expected].concat(), None);
        assert!(room.names("out").is_empty());
    };
    let rows: &[(&str, Value, &[&str])] = &[
        ("pretraining_tp", json!(2), &["pretraining_tp is 2; supported is 1"]),
        ("num_key_value_heads", json!(4), &["num_key_value_heads is 4; expected a divisor of the 6 heads"]),
        ("num_key_value_heads", json!(0), &["is 0; expected at least 1"]),
        ("head_dim", json!(9), &["head_dim is 9; rotary positions need an even number"]),
        (
            "head_dim",
            json!(1u64 << 40),
            &["head_dim is 1099511627776; rotary positions need an even number up to"],
        ),
        ("head_dim", json!(0), &["head_dim is 0; expected at least 1"]),
        ("hidden_act", json!("mish"), &["is \"mish\"; supported are gelu, "]),
        ("rms_norm_eps", json!(-1.0), &["expected 0 or more"]),
        ("attention_bias", json!("no"), &["expected true or false"]),
        ("architectures", json!("Llama"), &["is \"Llama\"; expected a list of names"]),
        ("rope_theta", json!(-1e4), &["rope_theta is -10000.0; expected a number above 0"]),
        ("rope_parameters", json!("linear"), &["rope_parameters is \"linear\"; expected an object"]),
        ("rope_scaling", json!([2]), &["rope_scaling is [2]; expected an object"]),
        ("partial_rotary_factor", json!(0.5), &["partial_rotary_factor is 0.5; supported is 1"]),
    ];
    for (key, value, expected) in rows {
        check("llama", &|config| config[*key] = value.clone(), expected);
    }
    let relatives: &[(&str, &str, Value, &[&str])] = &[
        ("mistral", "sliding_window", json!(0), &["sliding_window is 0; expected at least 1"]),
        ("qwen2", "sliding_window", json!("4"), &["sliding_window is \"4\"; expected a whole number"]),
        (
            "qwen3",
            "use_sliding_window",
            json!(false),
            &["layer_types has sliding_attention; expected a sliding window too"],
        ),
        ("qwen3", "layer_types", json!(["full_attention"]), &["layer_types names 1 layers; expected 2"]),
        (
            "qwen3",
            "layer_types",
            json!(["full_attention", "x"]),
            &["has \"x\"; supported are full_attention, sli"],
        ),
    ];
    for (fixture, key, value, expected) in relatives {
        check(fixture, &|config| config[*key] = value.clone(), expected);
    }
    check(
        "llama",
        &|config| {
            (config["num_key_value_heads"], config["num_attention_heads"]) = (json!(null), json!(u64::MAX));
        },
        &["num_attention_heads is 18446744073709551615; expected fewer"],
    );
    check(
        "llama",
        &|config| (config["head_dim"], config["num_attention_heads"]) = (json!(null), json!(8)),
        &["hidden_size is 36; expected a multiple of the 8 heads, or a head_dim"],
    );
    let rope: &[(&str, &str, Value, &[&str])] = &[
        (
            "llama",
            "rope_type",
            json!("mrope"),
            &["\"mrope\"; supported are default, linear, dynamic, yarn, longrope, llama3"],
        ),
        ("llama", "rope_theta", json!(0), &["rope_theta is 0; expected a number above 0"]),
        ("llama", "partial_rotary_factor", json!(0.25), &["partial_rotary_factor is 0.25; supported is 1"]),
        ("llama", "rope_type", json!("linear"), &["factor is missing; expected a number above 0"]),
        ("llama-dynamic", "factor", json!("two"), &["factor is \"two\"; expected a number above 0"]),
        ("llama-llama3", "low_freq_factor", json!(null), &["low_freq_factor is missing"]),
        ("llama-llama3", "original_max_position_embeddings", json!(0), &["is 0; expected at least 1"]),
        ("llama-yarn", "beta_fast", json!(-1), &["beta_fast is -1; expected a number above 0"]),
        ("llama-llama3", "factor", json!(1e-45), &["rope_theta is 100; its llama3 angles are not finite"]),
        ("llama-yarn", "truncate", json!(1), &["truncate is 1; expected true or false"]),
    ];
    for (fixture, key, value, expected) in rope {
        check(
            fixture,
            &|config| config["rope_parameters"][*key] = value.clone(),
            &[&["rope_parameters."], *expected].concat(),
        );
    }
}

#[test]
fn decoders_whose_tensors_do_not_fit() {
    let check = |fixture: &str, key: &str, value: Value, expected: &[&str]| {
        let room = Room::with(fixture);
        edit_json(&room.path("model/config.json"), |config| config[key] = value);
        in_little_memory(&room).failed(expected, Some("download both again"));
        assert!(room.names("out").is_empty());
    };
    let query = "model.layers.0.self_attn.q_proj";
    check(
        "llama",
        "head_dim",
        json!(null),
        &[query, "has shape [60, 36]; the configuration asks for [36, 36]"],
    );
    check(
        "llama",
        "num_key_value_heads",
        json!(3),
        &["k_proj.weight", "has shape [20, 36]", "asks for [30, 36]"],
    );
    check("llama", "num_hidden_layers", json!(3), &["layers.2.input_layernorm.weight", "is missing"]);
    check(
        "qwen2",
        "num_hidden_layers",
        json!(1u64 << 40),
        &["layers.2.input_layernorm.weight", "is missing"],
    );
    check("llama", "attention_bias", json!(true), &[query, "bias is missing; expected one of shape [60]"]);
    check("llama", "vocab_size", json!(62), &["embed_tokens.weight", "asks for [62, 36]"]);
    check(
        "llama-biased",
        "mlp_bias",
        json!(false),
        &["gate_proj.bias is there; by the configuration there is none"],
    );
    check("llama-biased", "tie_word_embeddings", json!(false), &["lm_head.weight is missing"]);
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

#[test]
fn sizes_that_the_tensors_do_not_have() {
    let check = |key: &str, value: Value, tensor: &str, expected: &str| {
        let room = Room::with_model();
        edit_json(&room.path("model/config.json"), |config| config[key] = value);
        let file = room.at("model/model.safetensors");
        in_little_memory(&room).failed(&[&file, tensor, expected], Some("download both again"));
        assert!(room.names("out").is_empty());
    };
    let words = "embeddings.word_embeddings.weight";
    let beyond = "encoder.layer.3.attention.self.query.weight";
    let huge = 999_999_999_999_999_999_u64; // a multiple of three heads
    check("hidden_size", json!(72), words, "has shape [97, 36]; the configuration asks for [97, 72]");
    check("hidden_size", json!(huge), words, "asks for [97, 999999999999999999]");
    check("vocab_size", json!(30522), words, "asks for [30522, 36]");
    check("vocab_size", json!(u64::MAX), words, "asks for [18446744073709551615, 36]");
    check("max_position_embeddings", json!(huge), "position_embeddings", "has shape [40, 36]");
    check(
        "intermediate_size",
        json!(huge),
        "encoder.layer.0.intermediate.dense.weight",
        "asks for [999999999999999999, 36]",
    );
    check("num_hidden_layers", json!(1_000_000_000), beyond, "is missing; expected one of shape [36, 36]");
    check("num_hidden_layers", json!(4), beyond, "is missing");
    check("hidden_size", json!(null), words, "asks for [97, 768]"); // what transformers defaults to
}

#[test]
fn weights_that_are_cut_short() {
    let room = Room::with_model();
    let path = room.path("model/model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let name = path.to_str().unwrap();
    for (len, expected) in [
        (0, "it has 0 bytes; the length of its header alone takes 8"),
        (7, "it has 7 bytes"),
        (8, "bytes, but 0 follow"),
        (header - 1, "its header should take"),
        (header, "bytes of tensors, but 0 follow"),
        (whole.len() / 2, "bytes of tensors, but "),
        (whole.len() - 1, "bytes of tensors, but "),
    ] {
        fs::write(&path, &whole[..len]).unwrap();
        refused(&room, &[name, "is not a whole safetensors file", expected], Some("cut short"));
    }
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    refused(&room, &[name, "bytes of tensors, but "], Some("download or copy it again"));
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 141168\n").unwrap();
    refused(&room, &[name, "it is a Git LFS pointer"], Some("cut short"));
}

#[test]
fn weights_whose_header_lies() {
    type Edit = fn(&mut serde_json::Map<String, Value>, &mut Vec<u8>);
    const NORM: &str = "embeddings.LayerNorm.weight"; // [36], 144..288
    let rows: &[(Edit, &[&str], &str)] = &[
        (
            |h, _| h[NORM]["data_offsets"] = json!([100, 244]),
            &[NORM, "lies at 100..244; expected"],
            "cut short",
        ),
        (|h, _| h[NORM]["data_offsets"] = json!([288, 144]), &["expected it to begin at"], "cut short"),
        (|h, _| h[NORM]["data_offsets"] = json!([0, 1u64 << 60]), &["expected"], "cut short"),
        (|h, _| h[NORM]["data_offsets"] = json!([-1, 144]), &["invalid value: integer `-1`"], "cut short"),
        (
            |h, _| h[NORM]["shape"] = json!([37]),
            &[NORM, "takes 144 bytes; F32 of shape [37] takes 148"],
            "cut short",
        ),
        (
            |h, _| h[NORM]["shape"] = json!([u64::MAX, 36]),
            &[NORM, "takes more than there can be"],
            "cut short",
        ),
        (
            |h, _| h[NORM]["shape"] = json!([6, 6]),
            &[NORM, "has shape [6, 6]; the configuration asks for [36]"],
            "both",
        ),
        (|h, _| h[NORM]["dtype"] = json!("I32"), &[NORM, "is I32; expected one of F32, F16, BF16"], "both"),
        (|h, _| h[NORM]["dtype"] = json!("F64"), &[NORM, "F64 of shape [36] takes 288"], "cut short"),
        (|h, _| h[NORM]["dtype"] = json!("F7"), &[NORM, "is F7; expected one of F32, F16, BF16"], "both"),
        (|h, _| h[NORM] = json!("weights"), &["its header does not parse"], "cut short"),
        (
            |h, _| {
                let entry = h.remove(NORM).unwrap();
                h.insert("embeddings.LayerNorm.wait".into(), entry);
            },
            &[NORM, "is missing; expected one of shape [36]"],
            "both",
        ),
        (|h, d| poke(h, d, NORM, f32::NAN), &[NORM, "holds NaN or infinite values"], "both"),
        (
            |h, d| poke(h, d, "encoder.layer.2.output.dense.weight", f32::INFINITY),
            &["encoder.layer.2.output.dense.weight", "holds NaN or infinite values"],
            "both",
        ),
    ];
    for (edit, expected, help) in rows {
        let room = Room::with_model();
        let path = room.path("model/model.safetensors");
        edit_tensors(&path, edit);
        in_little_memory(&room).failed(&[*expected, &[path.to_str().unwrap()]].concat(), Some(help));
        assert!(room.names("out").is_empty());
    }
}

/// Overwrites a tensor's first number.
fn poke(header: &serde_json::Map<String, Value>, data: &mut [u8], tensor: &str, value: f32) {
    let at = offset(header, tensor);
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn weights_too_large_to_compute_with() {
    let room = Room::with_model();
    edit_tensors(&room.path("model/model.safetensors"), |header, data| {
        let at = offset(header, "embeddings.LayerNorm.weight");
        data[at..at + 36 * 4].copy_from_slice(&[f32::MAX; 36].map(f32::to_le_bytes).concat());
    });
    refused(&room, &[&room.at("model"), "gave values that are not finite"], Some("damaged"));
}

/// What is done to a model's folder, and what is said of it then, and the way out.
type Spoiled<'a> = (fn(&Path), &'a [&'a str], Option<&'a str>);

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

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

fn unlink(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

fn folder(folder: &Path, name: &str) {
    let _ = fs::remove_file(folder.join(name));
    fs::create_dir(folder.join(name)).unwrap();
}

/// Cuts the weights of a folder in two files with an index, which `edit` may spoil.
fn shard(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let (header, data) = split(&fs::read(folder.join("model.safetensors")).unwrap());
    let mut map = serde_json::Map::new();
    for (shard, layers) in [("a.safetensors", false), ("b.safetensors", true)] {
        let (mut part, mut bytes) = (serde_json::Map::new(), Vec::new());
        for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            if name.starts_with("encoder") != layers {
                continue;
            }
            let range: [usize; 2] = serde_json::from_value(entry["data_offsets"].clone()).unwrap();
            let start = bytes.len();
            bytes.extend_from_slice(&data[range[0]..range[1]]);
            let mut entry = entry.clone();
            entry["data_offsets"] = json!([start, bytes.len()]);
            part.insert(name.clone(), entry);
            map.insert(name.clone(), shard.into());
        }
        fs::write(folder.join(shard), join(&part, &bytes)).unwrap();
    }
    let mut index = json!({ "metadata": { "total_size": data.len() }, "weight_map": map });
    edit(&mut index);
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
}

#[test]
fn weights_in_shards() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let trace = || {
        headscope(&["trace", "the cat", "-m", &model, "-o", &file]).succeeded();
        let trace = Trace::open(&file).unwrap();
        fs::remove_file(&file).unwrap();
        trace
    };
    let whole = trace();
    shard(&room.path("model"), |_| ());
    assert!(trace().values().eq(whole.values()));

    let index = "model.safetensors.index.json";
    let tensor = "embeddings.LayerNorm.weight";
    let rows: [(Value, &[&str]); 6] = [
        (
            json!("../a.safetensors"),
            &[index, tensor, "\"../a.safetensors\"; expected a file of the same folder"],
        ),
        (json!("/etc/passwd"), &[index, tensor, "expected a file of the same folder"]),
        (json!(".."), &[index, "expected a file of the same folder"]),
        (json!(""), &[index, "expected a file of the same folder"]),
        (json!(3), &[index, tensor, "into 3; expected a file of the same folder"]),
        (json!("none.safetensors"), &["cannot read", "none.safetensors: No such file"]),
    ];
    for (shard_name, expected) in rows {
        let room = Room::with_model();
        shard(&room.path("model"), |index| index["weight_map"][tensor] = shard_name);
        refused(&room, expected, None);
    }
    let rows: [Spoiled<'_>; 4] = [
        (|m| write(m, "model.safetensors.index.json", "{"), &[index, "the file does not parse"], None),
        (|m| write(m, "model.safetensors.index.json", "[]"), &[index, "weight_map is missing"], None),
        (
            |m| write(m, "model.safetensors.index.json", "{\"weight_map\": {}}"),
            &[index, "weight_map is missing; expected tensors and their files"],
            None,
        ),
        (
            |m| {
                fs::copy(m.join("a.safetensors"), m.join("c.safetensors")).unwrap();
                edit_json(&m.join("model.safetensors.index.json"), |index| {
                    index["weight_map"]["more"] = "c.safetensors".into();
                });
            },
            &["c.safetensors: tensor embeddings.", "is in ", "a.safetensors too; expected one"],
            Some("download both again"),
        ),
    ];
    for (change, expected, help) in rows {
        let room = Room::with_model();
        shard(&room.path("model"), |_| ());
        change(&room.path("model"));
        refused(&room, expected, help);
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

#[test]
fn files_that_are_no_trace() {
    let room = Room::with_model();
    let (model, good) = (room.at("model"), room.at("good.safetensors"));
    headscope(&["trace", "the cat", "-m", &model, "-o", &good]).succeeded();
    let whole = fs::read(&good).unwrap();
    let (header, data) = split(&whole);
    let cut = whole[..whole.len() - 4].to_vec();
    let changed = |edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut header = header.clone();
        edit(&mut header);
        join(&header, &data)
    };
    let meta = |key: &'static str, value: &'static str| changed(&|h| h["__metadata__"][key] = value.into());
    const PATTERN: &str = "blocks.0.attn.pattern";
    let long = |n: usize| {
        let token = r#"{"id":1,"piece":"a","span":null,"segment":0,"special":false,"mask":true}"#;
        format!(r#"{{"text":"","parts":[],"tokens":[{}]}}"#, vec![token; n].join(","))
    };
    let with_tokens = |n: usize| {
        let mut header = header.clone();
        header.retain(|name, _| name == "__metadata__");
        header["__metadata__"]["encoding"] = long(n).into();
        for (i, point) in ["k", "q"].into_iter().enumerate() {
            let offsets = [i * 12 * n, (i + 1) * 12 * n];
            let entry = json!({ "dtype": "F32", "shape": [3, n, 1], "data_offsets": offsets });
            header.insert(format!("blocks.0.attn.{point}"), entry);
        }
        join(&header, &vec![0; 24 * n])
    };
    let (again, traces) = (Some("write it again"), Some("headscope trace"));
    let rows: Vec<(Vec<u8>, &[&str], Option<&str>)> = vec![
        (vec![], &["is not a whole safetensors file: it has 0 bytes"], Some("cut short")),
        (cut, &["is not a whole safetensors file", "bytes of tensors, but"], Some("cut short")),
        (
            fs::read(room.path("model/model.safetensors")).unwrap(),
            &["is no headscope trace", "\"pt\""],
            traces,
        ),
        (b"just some text, longer than that".to_vec(), &["not a whole safetensors file"], Some("cut short")),
        (changed(&|h| drop(h.remove("__metadata__"))), &["its metadata has no \"format\""], traces),
        (meta("format", "headscope-trace/2"), &["format is \"headscope-trace/2\"; expected"], traces),
        (meta("card", "{}"), &["its card does not parse: missing field `id`"], traces),
        (meta("encoding", "["), &["its encoding does not parse"], traces),
        (meta("rules", "{}"), &["its rules does not parse"], traces),
        (meta("rules", "[]"), &[PATTERN, "belongs to an attention block without a rule"], again),
        (
            changed(&|h| h[PATTERN]["shape"] = json!([3, 2, 8])),
            &[PATTERN, "[3, 2, 8]; expected [3, 4, 4]"],
            again,
        ),
        (changed(&|h| h[PATTERN]["dtype"] = json!("I32")), &[PATTERN, "is I32 at byte 0"], again),
        (
            changed(&|h| {
                let entry = h.remove(PATTERN).unwrap();
                h.insert("blocks.0.pattern".into(), entry);
            }),
            &["blocks.0.pattern is no site of a model"],
            again,
        ),
        (with_tokens(20_000), &["the trace has 20000 tokens; at most 16384 can be shown"], None),
    ];
    let file = room.at("bad.safetensors");
    for (bytes, expected, help) in rows {
        fs::write(&file, bytes).unwrap();
        let args = ["open", &file, "-o", &room.at("out/view.html")];
        in_shell(LITTLE_MEMORY, &args).failed(&[expected, &[][..]].concat(), help);
        assert!(room.names("out").is_empty());
    }
    headscope(&["trace", "the cat", "--sites", "embed", "-m", &model, "-o", &file]).succeeded();
    headscope(&["open", &file])
        .failed(&["the trace holds no attention"], Some("--sites 'blocks.*.attn.pattern'"));
    headscope(&["open", &room.at("none")]).failed(&["cannot read", "none: No such file"], None);
    headscope(&["open", &model]).failed(&["cannot read", "model: Is a directory"], None);
}

#[cfg(unix)]
#[test]
fn outputs_that_cannot_be_written() {
    let room = Room::with_model();
    let model = room.at("model");
    fs::create_dir(room.path("folder.out")).unwrap();
    let (in_none, in_file) = (room.at("none/t"), room.at("model/vocab.txt/t"));
    let folder = room.at("folder.out");
    let rows: &[(&str, &str, Option<&str>)] = &[
        (&in_none, "No such file or directory", Some("in a folder that exists")),
        (&in_file, "Not a directory", None),
        (&folder, "Is a directory", Some("name a file; this is a folder")),
        ("/dev/full", "No space left on device", Some("make room there")),
    ];
    let before = room.names("model");
    for (out, expected, help) in rows {
        let expected = [&format!("cannot write {out}: "), *expected];
        headscope(&["trace", "the cat", "-m", &model, "-o", out]).failed(&expected, *help);
        headscope(&["the cat", "-m", &model, "-o", out]).failed(&expected, *help);
    }
    assert_eq!(room.names(""), ["folder.out", "model", "out"]);
    assert_eq!((room.names("model"), room.names("folder.out").len()), (before, 0));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/file"));
    fs::write(&file, "old").unwrap();
    // A limit on the size of files stands in for a full disk, which only root can make.
    let small = r#"trap '' XFSZ; ulimit -f 2; exec "$0" "$@""#;
    for args in [
        &["trace", "the cat", "--sites", "*", "-m", &model, "-o", &file][..],
        &["the cat", "-m", &model, "-o", &file],
    ] {
        in_shell(small, args)
            .failed(&["cannot write", "out/file: File too large"], Some("nothing half-written was left"));
        assert_eq!((room.names("out"), fs::read(&file).unwrap()), (vec!["file".to_owned()], b"old".to_vec()));
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let room = Room::with_model();
    let link = room.path("out/link");
    std::os::unix::fs::symlink("../target", &link).unwrap();
    for _ in 0..2 {
        headscope(&["trace", "the cat", "-m", &room.at("model"), "-o", link.to_str().unwrap()]).succeeded();
        assert!(link.is_symlink() && Trace::open(room.path("target")).is_ok());
    }
    assert_eq!(
        (room.names("out"), room.names("")),
        (vec!["link".to_owned()], ["model", "out", "target"].map(String::from).to_vec())
    );
}
