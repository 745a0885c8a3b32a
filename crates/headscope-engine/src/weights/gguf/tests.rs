//! GGUF files that say what they should not, and what those that are sound mean.

use serde_json::{Value as Json, json};

use super::*;
use crate::kernels::{Compute, Isa};
use crate::weights::Weights;

/// A value as the tests write it.
#[derive(Clone)]
enum V {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(&'static str),
    Texts(&'static [&'static str]),
    /// Any bytes behind the number of a type.
    Raw(u32, Vec<u8>),
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl V {
    fn bytes(&self) -> Vec<u8> {
        let of = |kind: u32, bytes: &[u8]| [&kind.to_le_bytes()[..], bytes].concat();
        match self {
            V::U32(number) => of(4, &number.to_le_bytes()),
            V::F32(number) => of(6, &number.to_le_bytes()),
            V::Bool(value) => of(7, &[u8::from(*value)]),
            V::Text(value) => of(8, &text(value)),
            V::Texts(values) => {
                let mut bytes = [&8u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
                values.iter().for_each(|value| bytes.extend(text(value)));
                of(9, &bytes)
            }
            V::Raw(kind, bytes) => of(*kind, bytes),
        }
    }
}

/// A tensor of the tests: its name, axes as the file has them, dtype, and bytes.
type T = (&'static str, Vec<u64>, u32, Vec<u8>);

fn floats(name: &'static str, axes: &[u64]) -> T {
    let numbers = axes.iter().product::<u64>();
    let bytes = (0..numbers).flat_map(|i| (1.0 + i as f32).to_le_bytes()).collect();
    (name, axes.to_vec(), 0, bytes)
}

fn file(values: &[(String, V)], tensors: &[T]) -> Vec<u8> {
    let mut out = [&b"GGUF"[..], &3u32.to_le_bytes()].concat();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((values.len() as u64).to_le_bytes());
    for (key, value) in values {
        out.extend([text(key), value.bytes()].concat());
    }
    let mut data = Vec::new();
    for (name, axes, kind, bytes) in tensors {
        data.resize(data.len().next_multiple_of(32), 0);
        out.extend(text(name));
        out.extend((axes.len() as u32).to_le_bytes());
        axes.iter().for_each(|axis| out.extend(axis.to_le_bytes()));
        out.extend([&kind.to_le_bytes()[..], &(data.len() as u64).to_le_bytes()].concat());
        data.extend(bytes);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}

/// The metadata of a small model, with changes: a value, or none.
fn values(architecture: &'static str, changes: &[(&str, Option<V>)]) -> Vec<(String, V)> {
    let mut values = vec![("general.architecture".to_owned(), V::Text(architecture))];
    for (key, value) in [
        ("context_length", V::U32(40)),
        ("embedding_length", V::U32(8)),
        ("block_count", V::U32(1)),
        ("feed_forward_length", V::U32(6)),
        ("attention.head_count", V::U32(2)),
        ("attention.head_count_kv", V::U32(1)),
        ("attention.layer_norm_rms_epsilon", V::F32(1e-5)),
        ("rope.freq_base", V::F32(500.0)),
    ] {
        values.push((format!("{architecture}.{key}"), value));
    }
    for (key, value) in changes {
        let key = if key.contains(':') { key.replace(':', ".") } else { format!("{architecture}.{key}") };
        values.retain(|(known, _)| *known != key);
        values.extend(value.clone().map(|value| (key, value)));
    }
    values
}

fn words() -> T {
    floats("token_embd.weight", &[8, 5])
}

fn config_of(
    architecture: &'static str,
    changes: &[(&str, Option<V>)],
    tensors: &[T],
) -> Result<Json, String> {
    let bytes = file(&values(architecture, changes), tensors);
    let config = config("m.gguf", &bytes).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&config).unwrap())
}

/// Metadata that is put, or taken away.
type Changes<'a> = &'a [(&'a str, Option<V>)];

#[test]
fn metadata_become_a_configuration() {
    let config = config_of("llama", &[], &[words()]).unwrap();
    let expected = json!({
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "max_position_embeddings": 40,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "intermediate_size": 6,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": f64::from(1e-5f32),
        "rope_theta": 500.0,
        "vocab_size": 5,
        "tie_word_embeddings": true,
        "attention_bias": false,
        "mlp_bias": false,
    });
    assert_eq!(config, expected);

    let rows: &[(&'static str, Changes<'_>, &str, Json)] = &[
        ("llama", &[("attention.head_count_kv", None)], "num_key_value_heads", json!(2)),
        ("llama", &[("rope.freq_base", None)], "rope_theta", json!(10_000.0)),
        ("llama", &[("rope.dimension_count", Some(V::U32(4)))], "head_dim", json!(4)),
        ("qwen3", &[("attention.key_length", Some(V::U32(6)))], "head_dim", json!(6)),
        ("llama", &[("expert_count", Some(V::U32(0)))], "model_type", json!("llama")),
        ("llama", &[("rope.scaling.type", Some(V::Text("none")))], "rope_scaling", json!(null)),
        (
            "qwen2",
            &[("rope.scaling.type", Some(V::Text("linear"))), ("rope.scaling.factor", Some(V::F32(2.5)))],
            "rope_scaling",
            json!({"rope_type": "linear", "factor": 2.5}),
        ),
        (
            "qwen2",
            &[
                ("rope.scaling.type", Some(V::Text("yarn"))),
                ("rope.scaling.factor", Some(V::F32(4.0))),
                ("rope.scaling.original_context_length", Some(V::U32(32))),
            ],
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}),
        ),
        ("gemma", &[], "model_type", json!("gemma")),
        ("gemma2", &[("attn_logit_softcapping", Some(V::F32(50.0)))], "attn_logit_softcapping", json!(50.0)),
        (
            "gemma2",
            &[("final_logit_softcapping", Some(V::F32(30.0)))],
            "final_logit_softcapping",
            json!(30.0),
        ),
        ("gemma2", &[("attention.key_length", Some(V::U32(6)))], "query_pre_attn_scalar", json!(6)),
        (
            "gemma2",
            &[("attention.key_length", Some(V::U32(6))), ("block_count", Some(V::U32(46)))],
            "query_pre_attn_scalar",
            json!(4),
        ),
        ("gemma3", &[("rope.freq_base_swa", Some(V::F32(100.0)))], "rope_local_base_freq", json!(100.0)),
        ("gemma3", &[("attention.sliding_window", Some(V::U32(512)))], "sliding_window", json!(512)),
        ("gemma3", &[], "model_type", json!("gemma3_text")),
    ];
    for (architecture, changes, key, expected) in rows {
        let config = config_of(architecture, changes, &[words()]).unwrap();
        assert_eq!(config.get(key).unwrap_or(&Json::Null), expected, "{architecture} {key}");
    }
    let tensors = [words(), floats("output.weight", &[8, 5]), floats("blk.0.attn_output.bias", &[8])];
    let config = config_of("llama", &[], &tensors).unwrap();
    assert_eq!((&config["tie_word_embeddings"], &config["attention_bias"]), (&json!(false), &json!(true)));
    let config = config_of("llama", &[], &[words(), floats("rope_freqs.weight", &[2])]).unwrap();
    assert_eq!(config["rope_scaling"], json!({"rope_type": "divided", "divisors": [1.0, 2.0]}));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let rows: &[(&'static str, Changes<'_>, &str)] = &[
        (
            "phi3",
            &[],
            "general.architecture is \"phi3\"; supported are llama, qwen2, qwen3, gemma, gemma2, gemma3",
        ),
        ("llama", &[("general:architecture", None)], "general.architecture is missing"),
        ("llama", &[("general:architecture", Some(V::U32(1)))], "general.architecture is 1; expected a text"),
        (
            "llama",
            &[("general:type", Some(V::Text("adapter")))],
            "general.type is \"adapter\"; supported is \"model\"",
        ),
        ("llama", &[("split:count", Some(V::U32(3)))], "split.count is 3; join the files"),
        ("llama", &[("expert_count", Some(V::U32(8)))], "llama.expert_count is 8; it is not supported"),
        ("llama", &[("logit_scale", Some(V::F32(0.1)))], "llama.logit_scale is 0.1"),
        ("llama", &[("attention.causal", Some(V::Bool(false)))], "llama.attention.causal is false"),
        (
            "llama",
            &[("rope.dimension_count", Some(V::U32(2))), ("attention.key_length", Some(V::U32(4)))],
            "llama.rope.dimension_count is 2; supported is the head's 4",
        ),
        (
            "qwen3",
            &[("attention.value_length", Some(V::U32(2))), ("attention.key_length", Some(V::U32(4)))],
            "qwen3.attention.value_length is 2; supported is the head's 4",
        ),
        ("llama", &[("embedding_length", None)], "llama.embedding_length is missing"),
        ("llama", &[("block_count", Some(V::Text("x")))], "llama.block_count is \"x\"; expected a number"),
        (
            "llama",
            &[("attention.head_count", Some(V::F32(2.5)))],
            "llama.attention.head_count is 2.5; expected a whole number",
        ),
        (
            "llama",
            &[("rope.freq_base", Some(V::F32(f32::NAN)))],
            "llama.rope.freq_base is NaN; expected a number",
        ),
        (
            "llama",
            &[("attention.head_count", Some(V::Texts(&["2", "2"])))],
            "llama.attention.head_count is a list of 2 values",
        ),
    ];
    for (architecture, changes, expected) in rows {
        let found = config_of(architecture, changes, &[words()]).unwrap_err();
        assert!(found.starts_with("m.gguf: ") && found.contains(expected), "{found}; expected {expected}");
    }
    let freqs = floats("rope_freqs.weight", &[2]);
    let scaling = [("rope.scaling.type", Some(V::Text("linear")))];
    let found = config_of("llama", &scaling, &[words(), freqs]).unwrap_err();
    assert!(found.contains("\"linear\" beside rope_freqs.weight"), "{found}");
    assert!(config_of("llama", &[], &[]).unwrap_err().contains("tensor token_embd.weight is missing"));
}

fn entries_of(architecture: &'static str, tensors: &[T]) -> Result<Vec<Entry>, String> {
    let bytes = Bytes::Owned(Arc::new(file(&values(architecture, &[]), tensors)));
    entries("m.gguf", &bytes).map_err(|error| error.to_string())
}

#[test]
fn tensors_have_the_names_of_transformers() {
    let rows: &[(&'static str, &'static str, &str)] = &[
        ("llama", "token_embd.weight", "model.embed_tokens.weight"),
        ("llama", "output_norm.weight", "model.norm.weight"),
        ("llama", "output.weight", "lm_head.weight"),
        ("llama", "blk.11.attn_output.weight", "model.layers.11.self_attn.o_proj.weight"),
        ("llama", "blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight"),
        ("qwen2", "blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
        ("qwen3", "blk.0.attn_k_norm.weight", "model.layers.0.self_attn.k_norm.weight"),
        ("gemma2", "blk.3.ffn_norm.weight", "model.layers.3.pre_feedforward_layernorm.weight"),
        ("gemma2", "blk.3.post_ffw_norm.weight", "model.layers.3.post_feedforward_layernorm.weight"),
        ("gemma3", "blk.3.post_attention_norm.weight", "model.layers.3.post_attention_layernorm.weight"),
        ("gemma3", "blk.3.attn_q_norm.weight", "model.layers.3.self_attn.q_norm.weight"),
    ];
    for (architecture, name, expected) in rows {
        let entries = entries_of(architecture, &[floats(name, &[4])]).unwrap();
        assert_eq!(entries[0].name, *expected);
    }
    for name in [
        "blk.0.attn_q_norm.weight",
        "blk.0.ffn_gate_inp.weight",
        "blk.0.attn_q",
        "blk.x.attn_q.weight",
        "blk.0.attn_v.scale",
        "rope_factors_long.weight",
    ] {
        let found = entries_of("llama", &[floats(name, &[4])]).err().unwrap();
        assert!(found.contains(&format!("tensor {name} is in no llama that is supported")), "{found}");
    }
}

#[test]
fn what_the_converter_changed_is_undone() {
    let norm = floats("blk.0.attn_norm.weight", &[3]);
    for (architecture, expected) in [("gemma2", [0.0f32, 1.0, 2.0]), ("llama", [1.0, 2.0, 3.0])] {
        let entry = &entries_of(architecture, std::slice::from_ref(&norm)).unwrap()[0];
        let bytes = expected.map(f32::to_le_bytes).concat();
        assert_eq!(entry.bytes[entry.range.clone()], bytes, "{architecture}");
    }
    for (architecture, name, rows, expected) in [
        ("llama", "blk.0.attn_q.weight", 12, Order::Interleaved { d_head: 6 }),
        ("llama", "blk.0.attn_k.weight", 6, Order::Interleaved { d_head: 6 }),
        ("llama", "blk.0.attn_v.weight", 6, Order::AsStored),
        ("qwen2", "blk.0.attn_q.weight", 12, Order::AsStored),
    ] {
        let entry = &entries_of(architecture, &[floats(name, &[2, rows])]).unwrap()[0];
        assert_eq!((entry.order, &entry.shape[..]), (expected, &[rows as usize, 2][..]), "{name}");
    }
    for rows in [5, 6, 7] {
        let found = entries_of("llama", &[floats("blk.0.attn_q.weight", &[2, rows])]).err().unwrap();
        assert!(found.contains("expected an even number for each of 2 heads"), "{found}");
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let sound = file(&values("llama", &[]), &[words()]);
    assert!(Container::read(&sound).is_ok());
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let all = u64::MAX.to_le_bytes();
    let with = |value: V| file(&values("llama", &[("general:x", Some(value))]), &[words()]);
    let tensor =
        |axes: &[u64], kind: u32| file(&values("llama", &[]), &[("t", axes.to_vec(), kind, vec![0; 64])]);
    let list = |kind: u32, len: u64, bytes: &[u8]| {
        V::Raw(9, [&kind.to_le_bytes()[..], &len.to_le_bytes(), bytes].concat())
    };
    let nested = |depth: usize| {
        let mut bytes = [&4u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat();
        for _ in 0..depth {
            bytes = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &bytes].concat();
        }
        V::Raw(9, bytes)
    };
    assert!(Container::read(&with(nested(4))).is_ok());
    let rows: &[(Vec<u8>, &str)] = &[
        (changed(0, b"GGML"), "does not begin with GGUF"),
        (changed(4, &1u32.to_le_bytes()), "its version is 1; expected 2 or 3"),
        (changed(4, &3u32.to_be_bytes()), "big-endian"),
        (changed(8, &all), "a tensor's name takes"),
        (changed(16, &all), ""),
        (changed(24, &all), "a key takes 18446744073709551615 bytes at 32, but"),
        (with(V::Raw(13, vec![])), "general.x is a value of type 13; expected 0 to 12"),
        (with(V::Raw(8, all.to_vec())), "general.x takes 18446744073709551615 bytes"),
        (with(list(4, u64::MAX, &[])), "general.x has 18446744073709551615 values"),
        (with(list(0, u64::MAX, &[])), "general.x takes 18446744073709551615 bytes"),
        (with(list(8, u64::MAX, &[])), "general.x takes"),
        (with(list(9, u64::MAX, &[])), "general.x"),
        (with(nested(9)), "general.x has lists in lists in lists"),
        (file(&[values("llama", &[]), values("llama", &[])].concat(), &[]), "twice"),
        (
            file(&values("llama", &[("general:alignment", Some(V::U32(0)))]), &[]),
            "general.alignment is 0; expected a power of two",
        ),
        (file(&values("llama", &[("general:alignment", Some(V::U32(48)))]), &[]), "general.alignment is 48"),
        (tensor(&[u64::MAX, 2], 0), "takes bytes"),
        (tensor(&[1 << 40, 1 << 40, 1 << 40], 0), "to more than there can be"),
        (tensor(&[17], 0), "tensor t takes bytes"),
        (tensor(&[1, 1, 1, 1, 1], 0), "tensor t has 5 axes; expected at most 4"),
        (tensor(&[33], 2), "tensor t has rows of 33 numbers; Q4_0 has blocks of 32"),
        (tensor(&[32, 256], 12), "has rows of 32 numbers; Q4_K has blocks of 256"),
    ];
    for (bytes, expected) in rows {
        let found = Container::read(bytes).err().unwrap_or_else(|| panic!("{expected}"));
        assert!(found.contains(expected), "{found}; expected {expected}");
    }
    // Two tensors in one place: the second's offset is made that of the first.
    let mut both = file(&values("llama", &[]), &[floats("a", &[8]), floats("b", &[8])]);
    let at = both.windows(9).position(|bytes| bytes == [&1u64.to_le_bytes()[..], b"b"].concat()).unwrap();
    both[at + 9 + 4 + 8 + 4..][..8].copy_from_slice(&[0; 8]);
    assert_eq!(Container::read(&both).err().unwrap(), "tensors a and b share bytes");
}

#[test]
fn dtypes_that_are_not_widened_are_told_apart() {
    for (kind, name) in [(10, "Q2_K"), (39, "MXFP4"), (99, "of type 99"), (28, "F64")] {
        let bytes = file(&values("llama", &[]), &[("token_embd.weight", vec![256, 2], kind, vec![0; 64])]);
        assert_eq!(Container::read(&bytes).unwrap().tensors[0].dtype, name);
    }
}

#[test]
fn lists_are_read() {
    let changes =
        [("tokenizer:tokens", Some(V::Texts(&["a", "é", ""]))), ("tokenizer:flag", Some(V::Bool(true)))];
    let bytes = file(&values("llama", &changes), &[words()]);
    let metadata = GgufMetadata::read("m.gguf", &bytes).unwrap();
    assert_eq!(metadata.texts("tokenizer.tokens").unwrap().unwrap(), ["a", "é", ""]);
    assert_eq!(metadata.flag("tokenizer.flag").unwrap(), Some(true));
    assert_eq!(metadata.texts("tokenizer.none").unwrap(), None);
    let error = |error: EngineError| error.to_string();
    assert_eq!(
        metadata.numbers("tokenizer.tokens").map_err(error).unwrap_err(),
        "m.gguf: tokenizer.tokens has \"a\" at 0; expected numbers"
    );
    assert_eq!(
        metadata.texts("tokenizer.flag").map_err(error).unwrap_err(),
        "m.gguf: tokenizer.flag is true; expected a list of texts"
    );
}

#[test]
fn no_damage_is_a_panic() {
    let tensors = [words(), floats("rope_freqs.weight", &[2]), floats("blk.0.attn_q.weight", &[2, 8])];
    let list = V::Raw(
        9,
        [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[4, 0, 0, 0], &2u64.to_le_bytes(), &[7; 8]].concat(),
    );
    let changes = [("tokenizer:tokens", Some(V::Texts(&["a", "é", ""]))), ("tokenizer:nested", Some(list))];
    let whole = file(&values("llama", &changes), &tensors);
    let read = |bytes: &[u8]| {
        let _ = config("m.gguf", bytes);
        if let Ok(metadata) = GgufMetadata::read("m.gguf", bytes) {
            let _ = metadata.texts("tokenizer.tokens");
        }
        let owned = Bytes::Owned(Arc::new(bytes.to_vec()));
        for entry in entries("m.gguf", &owned).into_iter().flatten() {
            assert!(entry.bytes.get(entry.range).is_some());
        }
    };
    for len in 0..whole.len() {
        assert!(config("m.gguf", &whole[..len]).is_err(), "{len} of {} bytes", whole.len());
        read(&whole[..len]);
    }
    let mut damaged = whole.clone();
    for at in 0..whole.len() {
        for flip in [0x01, 0x04, 0x80, 0xff] {
            damaged[at] ^= flip;
            read(&damaged);
            damaged[at] ^= flip;
        }
    }
}

#[test]
fn a_tensor_that_is_there_twice_is_refused() {
    let bytes = file(&values("llama", &[]), &[words(), words()]);
    let file = ("m.gguf".to_owned(), Bytes::Owned(Arc::new(bytes)));
    let error = Weights::read(vec![file], &Compute::new(1, Isa::PORTABLE)).err().unwrap().to_string();
    assert_eq!(error, "m.gguf: tensor model.embed_tokens.weight is there twice; expected one");
}
