//! What llama.cpp's names mean: keys of `config.json` and tensors as transformers calls them, as tables.
//!
//! What stands in no table is refused: a picture without a term that the file asks for would be another model's.

/// A family as GGUF files have it.
pub(super) struct Architecture {
    /// `general.architecture`.
    pub name: &'static str,
    /// What transformers calls it.
    pub model_type: &'static str,
    /// The class that has logits.
    pub class: &'static str,
    /// Keys that others do not have, and what transformers calls them.
    pub keys: &'static [(&'static str, &'static str)],
    /// Tensors of a block that others do not have, and what transformers calls them.
    pub tensors: &'static [(&'static str, &'static str)],
    /// Whether rows of queries and keys are stored pair by pair, rather than in halves.
    pub interleaved: bool,
    /// Whether norms are stored with one added.
    pub norms_plus_one: bool,
    /// The number of blocks of the one size whose scale is that of the width of a head in the residual
    /// stream, not of its own; llama.cpp tells it by that, too.
    pub wide_scale: Option<u64>,
}

pub(super) const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "llama",
        model_type: "llama",
        class: "LlamaForCausalLM",
        keys: &[],
        tensors: LLAMA_NORMS,
        interleaved: true,
        norms_plus_one: false,
        wide_scale: None,
    },
    Architecture {
        name: "qwen2",
        model_type: "qwen2",
        class: "Qwen2ForCausalLM",
        keys: &[],
        tensors: LLAMA_NORMS,
        interleaved: false,
        norms_plus_one: false,
        wide_scale: None,
    },
    Architecture {
        name: "qwen3",
        model_type: "qwen3",
        class: "Qwen3ForCausalLM",
        keys: &[],
        tensors: QWEN3_NORMS,
        interleaved: false,
        norms_plus_one: false,
        wide_scale: None,
    },
    Architecture {
        name: "gemma",
        model_type: "gemma",
        class: "GemmaForCausalLM",
        keys: &[],
        tensors: LLAMA_NORMS,
        interleaved: false,
        norms_plus_one: true,
        wide_scale: None,
    },
    Architecture {
        name: "gemma2",
        model_type: "gemma2",
        class: "Gemma2ForCausalLM",
        keys: &[
            ("attention.sliding_window", "sliding_window"),
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ],
        tensors: GEMMA2_NORMS,
        interleaved: false,
        norms_plus_one: true,
        wide_scale: Some(46),
    },
    Architecture {
        name: "gemma3",
        model_type: "gemma3_text",
        class: "Gemma3ForCausalLM",
        keys: &[
            ("attention.sliding_window", "sliding_window"),
            ("attention.sliding_window_pattern", "sliding_window_pattern"),
            ("rope.freq_base_swa", "rope_local_base_freq"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ],
        tensors: GEMMA3_NORMS,
        interleaved: false,
        norms_plus_one: true,
        wide_scale: Some(62),
    },
];

/// Keys of every family, below its name.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("rope.freq_base", "rope_theta"),
];

/// Keys without which transformers' defaults, another model's sizes, would be taken.
pub(super) const NEEDED: &[&str] = &[
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
];

/// Keys that are read one by one.
pub(super) const READ: &[&str] = &[
    "attention.value_length",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
];

/// Keys that say what is so anyway: the table of words says how many there are.
pub(super) const SILENT: &[&str] =
    &["vocab_size", "rope.scaling.finetuned", "tensor_data_layout", "pooling_type"];

/// Keys that must be zero, for nothing here has what they count.
pub(super) const ZERO: &[&str] = &["expert_count", "expert_used_count"];

/// Tensors outside of blocks.
pub(super) const TENSORS: &[(&str, &str)] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

/// Tensors of every family's blocks.
pub(super) const BLOCK_TENSORS: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const LLAMA_NORMS: &[(&str, &str)] =
    &[("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")];

const QWEN3_NORMS: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
];

const GEMMA2_NORMS: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const GEMMA3_NORMS: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
];
