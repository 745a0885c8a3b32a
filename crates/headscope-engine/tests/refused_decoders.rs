//! What a decoder's configuration or tensors may not be, and that the error names it.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use headscope_engine::{Bytes, Checkpoint, Compute, Isa, Model, Sites};
use headscope_trace::Encoding;
use serde_json::{Value, json};

/// Loads a fixture whose configuration was edited, and returns what is said.
fn refusal(fixture: &str, edit: impl FnOnce(&mut Value)) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture);
    let mut checkpoint = Checkpoint::open(folder).unwrap();
    let mut config: Value = serde_json::from_slice(&checkpoint.config.1).unwrap();
    edit(&mut config);
    let bytes = serde_json::to_vec(&config).unwrap().leak();
    checkpoint.config = ("config.json".into(), Bytes::Static(bytes));
    match Model::load(&checkpoint, &Compute::new(1, Isa::PORTABLE)) {
        Ok(_) => format!("{fixture} was not refused: {config}"),
        Err(error) => error.to_string(),
    }
}

/// Puts a value at a path of keys, `text_config.hidden_size`.
fn put(config: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(config, |place, key| &mut place[key]);
    *place = value;
}

/// Fixture, path in its configuration, the value that is put there, and what is said of it.
type Row<'a> = (&'a str, &'a str, Value, &'a str);

fn check(rows: &[Row<'_>]) {
    let wrong = rows.iter().filter_map(|(fixture, path, value, expected)| {
        let said = refusal(fixture, |config| put(config, path, value.clone()));
        (!said.contains(expected)).then(|| format!("{fixture}, {path} {value}: {said}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn configurations_are_refused_by_name() {
    let rows: &[Row<'_>] = &[
        // Of every family.
        ("llama", "is_causal", json!(false), "is_causal is false; supported is true"),
        (
            "gpt_oss",
            "quantization_config",
            json!({"quant_method": "mxfp4"}),
            "quantization_config.quant_method is \"mxfp4\"; supported are weights in F32, F16 and BF16",
        ),
        ("gpt2", "quantization_config", json!({"bits": 4}), "quant_method is \"unknown\"; supported are"),
        // GPT-2
        ("gpt2", "n_embd", json!(37), "n_embd is 37; expected a multiple of the 3 heads"),
        ("gpt2-by-layer", "hidden_size", json!(37), "hidden_size is 37; expected a multiple of the 3 heads"),
        ("gpt2", "n_head", json!(0), "n_head is 0; expected at least 1"),
        ("gpt2", "n_inner", json!("50"), "n_inner is \"50\"; expected a whole number"),
        ("gpt2", "add_cross_attention", json!(true), "add_cross_attention is true; supported is false"),
        (
            "gpt2",
            "activation_function",
            json!("mish"),
            "activation_function is \"mish\"; supported are gelu, ",
        ),
        ("gpt2", "scale_attn_weights", json!(1), "scale_attn_weights is 1; expected true or false"),
        ("gpt2", "layer_norm_epsilon", json!(-1), "layer_norm_epsilon is -1e0; expected 0 or more"),
        // GPT-NeoX
        (
            "gpt_neox",
            "num_attention_heads",
            json!(3),
            "hidden_size is 40; expected a multiple of the 3 heads",
        ),
        ("gpt_neox", "use_parallel_residual", json!("no"), "expected true or false"),
        (
            "gpt_neox",
            "rope_parameters.partial_rotary_factor",
            json!(1.5),
            "rope_parameters.partial_rotary_factor is 1.5; expected 0 to 1",
        ),
        ("gpt_neox-pythia", "rotary_emb_base", json!(0), "rotary_emb_base is 0; expected a number above 0"),
        ("gpt_neox-pythia", "rotary_pct", json!("half"), "rotary_pct is \"half\"; expected a number"),
        ("gpt_neox-linear", "rope_parameters.factor", json!(null), "rope_parameters.factor is missing"),
        // GPT-J
        ("gptj", "rotary_dim", json!(5), "rotary_dim is 5 or null; expected an even number up to 12"),
        ("gptj", "rotary_dim", json!(14), "rotary_dim is 14 or null; expected an even number up to 12"),
        ("gptj", "rotary_dim", json!(null), "or null; expected an even number up to 12, a head's width"),
        // Phi
        (
            "phi",
            "num_key_value_heads",
            json!(3),
            "num_key_value_heads is 3; expected a divisor of the 4 heads",
        ),
        ("phi", "qk_layernorm", json!("yes"), "qk_layernorm is \"yes\"; expected true or false"),
        // Gemma
        (
            "gemma",
            "use_bidirectional_attention",
            json!(true),
            "use_bidirectional_attention is true; supported",
        ),
        ("gemma", "hidden_act", json!("swoosh"), "hidden_act is \"swoosh\"; supported are gelu, "),
        (
            "gemma2",
            "query_pre_attn_scalar",
            json!(0),
            "query_pre_attn_scalar is 0; expected a number above 0",
        ),
        (
            "gemma2",
            "attn_logit_softcapping",
            json!(-5),
            "attn_logit_softcapping is -5; expected a number above 0",
        ),
        (
            "gemma2",
            "final_logit_softcapping",
            json!("30"),
            "final_logit_softcapping is \"30\"; expected a number",
        ),
        ("gemma2", "sliding_window", json!(null), "sliding_window is null; expected a number"),
        (
            "gemma2-uncapped",
            "layer_types",
            json!(["full_attention"]),
            "layer_types names 1 layers; expected 2",
        ),
        (
            "gemma3_text",
            "layer_types",
            json!(["chunked_attention", "full_attention", "full_attention"]),
            "layer_types has \"chunked_attention\"; supported are full_attention, sliding_attention",
        ),
        (
            "gemma3_text",
            "rope_parameters.full_attention.rope_type",
            json!("mrope"),
            "rope_parameters.full_attention.rope_type is \"mrope\"; supported are default, linear",
        ),
        (
            "gemma3_text-linear",
            "sliding_window_pattern",
            json!(0),
            "sliding_window_pattern is 0; expected at least 1",
        ),
        ("gemma3_text-linear", "rope_local_base_freq", json!(-1), "rope_local_base_freq is -1; expected"),
        (
            "gemma3",
            "text_config.hidden_size",
            json!("36"),
            "text_config.hidden_size is \"36\"; expected a whole",
        ),
        (
            "gemma3",
            "text_config.model_type",
            json!("llama"),
            "text_config.model_type is \"llama\"; supported is",
        ),
        // Phi 3
        ("phi3", "sliding_window", json!(0), "sliding_window is 0; expected at least 1"),
        ("phi3-longrope", "rope_scaling.type", json!("mrope"), "\"mrope\"; supported are default, linear"),
        (
            "phi3-longrope",
            "rope_scaling.short_factor",
            json!([1.0]),
            "short_factor has 1 numbers; expected one for",
        ),
        (
            "phi3-longrope",
            "rope_scaling.long_factor",
            json!("x"),
            "long_factor is \"x\"; expected a list of numbers",
        ),
        ("phi3-longrope", "rope_scaling.long_factor", json!(null), "long_factor is missing"),
        ("phi3-longrope", "rope_scaling.long_factor", json!([0, 1, 1]), "its su angles are not finite"),
        (
            "phi3-longrope",
            "original_max_position_embeddings",
            json!(0),
            "original_max_position_embeddings is 0; expected at least 1",
        ),
        // OLMo 2, SmolLM 3
        ("olmo2", "attention_bias", json!(2), "attention_bias is 2; expected true or false"),
        ("olmo2", "head_dim", json!(7), "head_dim is 7; rotary positions need an even number"),
        ("smollm3", "no_rope_layers", json!([1]), "no_rope_layers names 1 layers; expected 3"),
        (
            "smollm3",
            "no_rope_layers",
            json!("all"),
            "no_rope_layers is \"all\"; expected a list of whole numbers",
        ),
        (
            "smollm3-interval",
            "no_rope_layer_interval",
            json!(0),
            "no_rope_layer_interval is 0; expected at least 1",
        ),
        (
            "smollm3-named",
            "sliding_window",
            json!(null),
            "layer_types has sliding_attention; expected a sliding",
        ),
        // OPT
        ("opt", "hidden_size", json!(35), "hidden_size is 35; expected a multiple of the 3 heads"),
        ("opt", "word_embed_proj_dim", json!(0), "word_embed_proj_dim is 0; expected at least 1"),
        ("opt", "enable_bias", json!("no"), "enable_bias is \"no\"; expected true or false"),
        // GPT-Neo
        (
            "gpt_neo",
            "attention_types",
            json!([[["global"], 1]]),
            "attention_types names 1 layers; expected 2",
        ),
        ("gpt_neo", "attention_types", json!([[["global"], 1u64 << 60]]), "names 1152921504606846976 layers"),
        (
            "gpt_neo",
            "attention_types",
            json!([[["sparse"], 2]]),
            "has \"sparse\"; supported are global, local",
        ),
        ("gpt_neo", "attention_types", json!(["global"]), "expected a list of names of layers and how often"),
        ("gpt_neo", "window_size", json!(0), "window_size is 0; expected at least 1"),
        // BLOOM
        ("bloom", "slow_but_exact", json!(true), "slow_but_exact is true; supported is false"),
        ("bloom-normed", "n_embed", json!(41), "n_embed is 41; expected a multiple of the 5 heads"),
        // GPT-OSS
        (
            "gpt_oss",
            "num_experts_per_tok",
            json!(6),
            "num_experts_per_tok is 6; expected at most the 5 experts",
        ),
        ("gpt_oss", "swiglu_limit", json!(0), "swiglu_limit is 0; expected a number above 0"),
        ("gpt_oss", "hidden_act", json!("gelu"), "hidden_act is \"gelu\"; supported is \"silu\""),
        ("gpt_oss", "sliding_window", json!(null), "sliding_window is null; expected a number"),
    ];
    check(rows);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let rows: &[Row<'_>] = &[
        (
            "gpt2",
            "n_inner",
            json!(50),
            "h.0.mlp.c_fc.weight has shape [36, 144]; the configuration asks for [36, 50]",
        ),
        (
            "gpt2",
            "n_positions",
            json!(41),
            "wpe.weight has shape [40, 36]; the configuration asks for [41, 36]",
        ),
        ("gpt2", "n_layer", json!(3), "transformer.h.2.ln_1.weight is missing"),
        ("gpt2-by-layer", "vocab_size", json!(62), "transformer.wte.weight has shape [61, 36]"),
        ("gpt2-2019", "tie_word_embeddings", json!(false), "lm_head.weight is missing"),
        (
            "gpt_neox",
            "attention_bias",
            json!(false),
            "query_key_value.bias is there; by the configuration there is none",
        ),
        ("gpt_neox-sequential", "attention_bias", json!(true), "attention.query_key_value.bias is missing"),
        ("gpt_neox", "num_hidden_layers", json!(1u64 << 40), "layers.2.input_layernorm.weight is missing"),
        (
            "gptj",
            "n_inner",
            json!(50),
            "mlp.fc_in.weight has shape [144, 36]; the configuration asks for [50, 36]",
        ),
        ("phi", "qk_layernorm", json!(true), "layers.0.self_attn.q_layernorm.weight is missing"),
        ("phi", "num_key_value_heads", json!(4), "k_proj.weight has shape [20, 40]"),
        (
            "gemma",
            "attention_bias",
            json!(true),
            "self_attn.q_proj.bias is missing; expected one of shape [60]",
        ),
        (
            "gemma2",
            "head_dim",
            json!(12),
            "q_proj.weight has shape [40, 36]; the configuration asks for [48, 36]",
        ),
        ("gemma3_text", "num_hidden_layers", json!(2), "layer_types names 3 layers; expected 2"),
        (
            "gemma3",
            "text_config.intermediate_size",
            json!(51),
            "model.language_model.layers.0.mlp.gate_proj.weight",
        ),
        (
            "phi3",
            "intermediate_size",
            json!(51),
            "gate_up_proj.weight has shape [100, 36]; the configuration asks",
        ),
        ("olmo2", "num_key_value_heads", json!(3), "k_proj.weight has shape [20, 36]"),
        ("smollm3", "mlp_bias", json!(true), "mlp.gate_proj.bias is missing; expected one of shape [50]"),
        (
            "opt",
            "word_embed_proj_dim",
            json!(22),
            "decoder.project_in.weight is missing; expected one of shape [36, 22]",
        ),
        ("opt-after", "word_embed_proj_dim", json!(null), "embed_tokens.weight has shape [61, 22]"),
        (
            "opt-after",
            "do_layer_norm_before",
            json!(true),
            "model.decoder.final_layer_norm.weight is missing",
        ),
        ("opt-plain", "layer_norm_elementwise_affine", json!(true), "self_attn_layer_norm.weight is missing"),
        ("opt", "max_position_embeddings", json!(u64::MAX), "embed_positions.weight has shape [42, 36]"),
        ("gpt_neo", "intermediate_size", json!(50), "mlp.c_fc.weight has shape [144, 36]"),
        ("bloom", "hidden_size", json!(39), "word_embeddings_layernorm.weight has shape [36]"),
        ("gpt_oss", "num_local_experts", json!(6), "mlp.router.weight has shape [5, 36]"),
        ("gpt_oss", "intermediate_size", json!(15), "experts.gate_up_proj has shape [5, 36, 28]"),
    ];
    check(rows);
}

/// Every key of every fixture's configuration at values that nobody meant: it is refused, or the model runs.
#[test]
fn no_value_ends_the_program() {
    let values = [
        json!(null),
        json!(0),
        json!(1),
        json!(-1),
        json!(3),
        json!(0.3),
        json!(1e300),
        json!(u64::MAX),
        json!("x"),
        json!(true),
        json!([]),
        json!([1, 1, 1]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 1e-30, "beta_fast": 1e30}),
        json!({"rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1]}),
        json!({"full_attention": {"rope_type": "linear", "factor": 1e30}}),
    ];
    let (compute, mut ended) = (Compute::new(1, Isa::PORTABLE), Vec::new());
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")).unwrap();
    for folder in folders.flatten().map(|entry| entry.path()) {
        let Ok(config) = std::fs::read(folder.join("config.json")) else { continue };
        let config: Value = serde_json::from_slice(&config).unwrap();
        for key in config.as_object().unwrap().keys() {
            for value in &values {
                let mut config = config.clone();
                config[key] = value.clone();
                let mut checkpoint = Checkpoint::open(&folder).unwrap();
                let bytes = serde_json::to_vec(&config).unwrap().leak();
                checkpoint.config = ("config.json".into(), Bytes::Static(bytes));
                let run = || -> Option<()> {
                    let model = Model::load(&checkpoint, &compute).ok()?;
                    let text = Encoding::from_ids(&[0, 5, 1], |id| id.to_string());
                    model.trace(text, &Sites::patterns(&model)).ok().map(drop)
                };
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    ended.push(format!("{}: {key} {value}", folder.display()));
                }
            }
        }
    }
    assert!(ended.is_empty(), "{}", ended.join("\n"));
}
