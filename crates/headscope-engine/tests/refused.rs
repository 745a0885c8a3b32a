//! What cannot be run exactly is refused by name: configurations that are not understood, and tensors that are
//! missing or do not fit.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::{Path, PathBuf};

use headscope_engine::{Bytes, Checkpoint, Compute, EngineError, Isa, Model};
use serde_json::{Map, Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Bytes that live as long as the tests.
fn kept(bytes: Vec<u8>) -> Bytes {
    Bytes::Static(bytes.leak())
}

fn load(config: &Value, weights: Bytes) -> Result<Model, EngineError> {
    let checkpoint = Checkpoint {
        id: "tiny".into(),
        revision: None,
        config: ("config.json".into(), kept(serde_json::to_vec(config).unwrap())),
        generation: None,
        weights: vec![("model.safetensors".into(), weights)],
    };
    Model::load(&checkpoint, &Compute::new(1, Isa::detect()))
}

fn config_of(fixture: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join(fixture).join("config.json")).unwrap()).unwrap()
}

#[test]
fn configurations_of_encoders_that_are_not_understood() {
    let rows: &[(&str, &str, Value, &str)] = &[
        ("roberta", "pad_token_id", json!(null), "pad_token_id is null; expected an id"),
        ("roberta", "pad_token_id", json!(-1), "pad_token_id is -1; expected a whole number"),
        (
            "roberta",
            "pad_token_id",
            json!(39),
            "max_position_embeddings is 40; expected more than pad_token_id",
        ),
        ("roberta", "pad_token_id", json!(u64::MAX), "max_position_embeddings is 40; expected more"),
        ("roberta", "position_embedding_type", json!("relative_key"), "supported is \"absolute\""),
        ("xlm-roberta", "is_decoder", json!(true), "is_decoder is true; supported is false"),
        ("camembert", "add_cross_attention", json!(true), "add_cross_attention is true; supported is false"),
        ("distilbert", "dim", json!(34), "dim is 34; expected a multiple of the 3 heads"),
        ("distilbert", "activation", json!("mish"), "activation is \"mish\"; supported are gelu, "),
        ("distilbert", "n_layers", json!(0), "n_layers is 0; expected at least 1"),
        ("electra", "embedding_size", json!("19"), "embedding_size is \"19\"; expected a whole number"),
        ("electra", "num_attention_heads", json!(5), "hidden_size is 36; expected a multiple of the 5 heads"),
        ("albert", "num_hidden_groups", json!(0), "num_hidden_groups is 0; expected at least 1"),
        ("albert", "num_hidden_layers", json!(1u64 << 40), "expected at most 4096 in all"),
        ("albert", "inner_group_num", json!(u64::MAX), "expected at most 4096 in all"),
        ("modernbert", "global_attn_every_n_layers", json!(0), "is 0; expected at least 1"),
        ("modernbert", "layer_types", json!(["full_attention"]), "layer_types names 1 layers; expected 3"),
        (
            "modernbert-untied",
            "layer_types",
            json!(["full_attention", "x"]),
            "has \"x\"; supported are full_att",
        ),
        ("modernbert", "hidden_activation", json!("xielu"), "hidden_activation is \"xielu\"; supported are"),
        ("modernbert", "head_dim", json!(8), "head_dim is 8; supported is 6"),
        ("modernbert", "local_attention", json!(-1), "local_attention is -1; expected a whole number"),
        ("modernbert", "local_rope_theta", json!(0), "local_rope_theta is 0; expected a number above 0"),
        ("modernbert", "norm_eps", json!(-1), "norm_eps is -1e0; expected 0 or more"),
        ("mpnet", "relative_attention_num_buckets", json!(31), "is 31; expected at least 32"),
        ("mpnet", "hidden_act", json!("gelu_10"), "hidden_act is \"gelu_10\"; supported are"),
        ("deberta-v2", "pos_att_type", json!("c2p|p2p"), "pos_att_type has \"p2p\"; supported are c2p, p2c"),
        ("deberta-v2", "pos_att_type", json!(7), "pos_att_type is 7; expected a list of names"),
        (
            "deberta-v2",
            "norm_rel_ebd",
            json!("batch_norm"),
            "has \"batch_norm\"; supported are none, layer_norm",
        ),
        ("deberta-v2", "position_buckets", json!(1), "position_buckets is 1; expected 2 or more"),
        ("deberta-v2", "position_buckets", json!(78), "less than twice the 40 relative positions"),
        ("deberta-v2", "max_relative_positions", json!(1.5), "is 1.5; expected a whole number"),
        ("deberta-v2", "attention_head_size", json!(9), "attention_head_size is 9; supported is 17"),
        (
            "deberta-v2",
            "num_attention_heads",
            json!(3),
            "hidden_size is 34; expected a multiple of the 3 heads",
        ),
        ("deberta-v2-conv", "conv_groups", json!(2), "conv_groups is 2; supported is 1"),
        ("deberta-v2-conv", "conv_kernel_size", json!(4), "conv_kernel_size is 4; expected an odd number"),
        ("deberta-v2-conv", "conv_act", json!("prelu"), "conv_act is \"prelu\"; supported are"),
        (
            "modernbert-biased",
            "rope_parameters",
            json!({"full_attention": {"rope_type": "mrope"}}),
            "rope_parameters.full_attention.rope_type is \"mrope\"; supported are",
        ),
    ];
    for (fixture, key, value, expected) in rows {
        let mut config = config_of(fixture);
        config[key] = value.clone();
        let weights = Bytes::map(&fixtures().join(fixture).join("model.safetensors")).unwrap();
        let error = load(&config, weights).err().unwrap_or_else(|| panic!("{fixture}: {key} {value}"));
        assert!(error.to_string().contains(expected), "{fixture}: {error}\nexpected: {expected}");
    }
}

/// A safetensors file's header and what follows it.
fn split(bytes: &[u8]) -> (Map<String, Value>, &[u8]) {
    let (len, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    (serde_json::from_slice(header).unwrap(), data)
}

fn join(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

/// What no site needs, and biases and tables of a tied pair that have a stand-in.
fn is_spare(fixture: &str, name: &str) -> bool {
    let unused = [
        "pooler.",
        "seq_relationship.",
        "sop_classifier.",
        "discriminator_predictions.",
        "mask_predictions.",
        "position_ids",
        ".attn.bias", // of a mask, as older checkpoints have it
        ".attention.bias",
        "masked_bias",
        "inv_freq",
        "vision_tower.",
        "multi_modal_projector.",
        "final_logits_bias", // which is 0 where it is not there
        "mask_token",
    ];
    let paired = [
        "predictions.bias",
        "predictions.decoder.",
        "lm_head.bias",
        "lm_head.decoder.",
        "embed_out.",
        "_projector.weight",
        "shared.weight", // of two stacks, whose tables may have three names
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
    ];
    let computed = ["pegasus", "marian"].iter().any(|family| fixture.starts_with(family));
    // Of T5 and its relatives, as transformers has it, whatever `tie_word_embeddings` says.
    let always_tied = ["t5", "mt5"].iter().any(|family| fixture.starts_with(family));
    unused.iter().chain(&paired).any(|part| name.contains(part))
        || always_tied && name == "lm_head.weight"
        || computed && name.ends_with("embed_positions.weight")
}

/// Every tensor of every fixture, when it is not there, and when it has an axis too many.
#[test]
fn every_tensor_is_missed_by_name() {
    for entry in std::fs::read_dir(fixtures()).unwrap().flatten() {
        let (fixture, path) =
            (entry.file_name().into_string().unwrap(), entry.path().join("model.safetensors"));
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let (config, (header, data)) = (config_of(&fixture), split(&bytes));
        let mut n_needed = 0;
        for name in header.keys().filter(|name| *name != "__metadata__") {
            let mut renamed = header.clone();
            let tensor = renamed.remove(name).unwrap();
            renamed.insert("elsewhere".into(), tensor);
            let mut reshaped = header.clone();
            reshaped[name]["shape"].as_array_mut().unwrap().insert(0, json!(1));
            for (what, header) in [("missing", renamed), ("has shape [1, ", reshaped)] {
                match load(&config, kept(join(&header, data))) {
                    // Of a pair whose names are one, the other is asked for.
                    Err(_) if what == "missing" && is_spare(&fixture, name) => {}
                    Ok(_) => assert!(is_spare(&fixture, name), "{fixture}: nobody minds that {name} {what}"),
                    Err(error) => {
                        let error = error.to_string();
                        assert!(
                            error.contains(name.as_str()) && error.contains(what),
                            "{fixture}: {name}: {error}"
                        );
                        n_needed += 1;
                    }
                }
            }
        }
        assert!(n_needed > 10, "{fixture}: {n_needed}");
    }
}
