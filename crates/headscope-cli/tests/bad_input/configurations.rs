//! `config.json`: values that are not understood, or that the tensors contradict.

use super::*;

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
