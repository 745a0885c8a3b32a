//! GPT-OSS (arXiv 2508.10925): each token's MLP is a few experts of many, every second layer sees a window, and
//! each head has a sink, a learned score that takes weight from all keys and gives no value.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, LmHead, layers, masks, needed_window};
use super::llama::{Usual, grouped_heads};
use crate::EngineError;
use crate::config::{Config, Positive};
use crate::kernels::Turns;
use crate::nn::{Experts, HeadLayout, RmsNorm, Rotary, RotaryUsual, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gpt_oss",
    about: "GPT-OSS, with weights in F32, F16 or BF16",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

/// What a configuration means that says nothing about rotary positions.
const ROPE: &str = r#"{"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
    "original_max_position_embeddings": 4096}"#;

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    bias: bool,
    n_experts: usize,
    /// How many experts a token has.
    n_chosen: usize,
    /// The gain of the gate in its sigmoid.
    alpha: f32,
    /// Where gate and up are cut off.
    limit: f32,
}

struct Layer {
    attn_norm: RmsNorm,
    attn: SelfAttention,
    mlp_norm: RmsNorm,
    mlp: Experts,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    config.only("hidden_act", "silu")?;
    let usual = Usual {
        vocabulary: 201_088,
        width: 2880,
        n_heads: 64,
        n_key_heads: Some(8),
        d_head: Some(64),
        d_mlp: 2880,
        n_layers: 36,
        positions: 131_072,
        eps: 1e-5,
    };
    let (width, heads) = grouped_heads(config, &usual)?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("intermediate_size", usual.d_mlp)?,
        eps: config.eps("rms_norm_eps", usual.eps)?,
        bias: config.get("attention_bias", true)?,
        n_experts: config.size(config.spelled(&["num_local_experts", "num_experts"]), 128)?,
        n_chosen: config.size("num_experts_per_tok", 4)?,
        alpha: config.get("swiglu_alpha", Positive(1.702))?.0 as f32,
        limit: config.get("swiglu_limit", Positive(7.0))?.0 as f32,
    };
    if shape.n_chosen > shape.n_experts {
        let detail = format!("is {}; expected at most the {} experts", shape.n_chosen, shape.n_experts);
        return Err(config.fault("num_experts_per_tok", detail));
    }
    let vocabulary = config.size("vocab_size", usual.vocabulary)?;
    let n_layers = config.size("num_hidden_layers", usual.n_layers)?;
    let mask = masks(config, n_layers, Some(needed_window(config, 128)?), |layer| layer % 2 == 0)?;
    let rotary = rotary(config, heads.d_head, usual.positions)?;

    let w = weights.root("model");
    let words = w.at("embed_tokens");
    Ok(Decoder {
        embed: words.embedding(vocabulary, width)?.into(),
        positions: rotary.positions,
        rotary: vec![rotary],
        blocks: layers(&w.at("layers"), n_layers, |i, w| Layer::load(&shape, mask(i), w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("norm").rms_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], false, false)?,
    })
}

fn rotary(config: &Config, d_head: usize, positions: usize) -> Result<Rotary, EngineError> {
    let usual = RotaryUsual { theta: ("rope_theta", 150_000.0), ..RotaryUsual::new(positions) };
    let given = ["rope_scaling", "rope_parameters"].map(|key| config.section(key));
    match given {
        [Ok(scaling), Ok(parameters)] if scaling.is_empty() && parameters.is_empty() => {
            Rotary::of_section(config, &Config::parse(ROPE.as_bytes(), "the default")?, d_head, &usual)
        }
        _ => Rotary::read(config, d_head, &usual),
    }
}

impl Layer {
    fn load(shape: &Shape, mask: Mask, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, bias, n_experts, n_chosen, alpha, limit } = shape;
        let (attn, experts) = (w.at("self_attn"), w.at("mlp.experts"));
        let (q, k) = heads.widths();
        let sink = Some(attn.vector("sinks", heads.n_heads)?);
        Ok(Layer {
            attn_norm: w.at("input_layernorm").rms_norm(width, eps)?,
            attn: SelfAttention {
                rule: AttentionRule { sink, ..heads.rule((heads.d_head as f64).sqrt().recip(), mask) },
                heads,
                qkv: attn.stacked(&[("q_proj", q), ("k_proj", k), ("v_proj", k)], width, bias)?,
                qk_norm: None,
                rotary: Rotation::By(0),
                out: attn.stacked(&[("o_proj", width)], q, bias)?,
            },
            mlp_norm: w.at("post_attention_layernorm").rms_norm(width, eps)?,
            mlp: Experts {
                router: w.at("mlp").stacked(&[("router", n_experts)], width, true)?,
                n_chosen,
                gate_up: experts.experts("gate_up_proj", n_experts, d_mlp.saturating_mul(2), width)?,
                down: experts.experts("down_proj", n_experts, width, d_mlp)?,
                alpha,
                limit,
            },
        })
    }
}

impl Block for Layer {
    fn rule(&self) -> &AttentionRule {
        &self.attn.rule
    }

    fn forward(&self, x: Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let normed = self.attn_norm.forward(&x, pass);
        let x = self.attn.add_to(&x, &normed, turns, pass);
        let x = pass.tap(Point::ResidMid, x);

        let normed = self.mlp_norm.forward(&x, pass);
        let x = self.mlp.add_to(&x, &normed, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}
