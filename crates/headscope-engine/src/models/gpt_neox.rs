//! GPT-NeoX (arXiv 2204.06745), and with it Pythia: attention and MLP read the stream side by side, each
//! through a norm of its own, and a share of each head's dimensions turns with the position.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, LmHead, equal_heads, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Rotary, RotaryUsual, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gpt_neox",
    about: "GPT-NeoX and Pythia",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    attn_bias: bool,
    is_parallel: bool,
}

struct Layer {
    attn_norm: Norm,
    attn: SelfAttention,
    mlp_norm: Norm,
    mlp: Mlp,
    /// Whether the MLP reads what attention reads, rather than what attention has added to.
    is_parallel: bool,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let (width, heads) = equal_heads(config, ("hidden_size", 6144), ("num_attention_heads", 64))?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("intermediate_size", 24576)?,
        eps: config.eps("layer_norm_eps", 1e-5)?,
        activation: config.activation("hidden_act", "gelu")?,
        attn_bias: config.get("attention_bias", true)?,
        is_parallel: config.get("use_parallel_residual", true)?,
    };
    let vocabulary = config.size("vocab_size", 50432)?;
    let usual = RotaryUsual {
        theta: ("rotary_emb_base", 10_000.0),
        share: Some(("rotary_pct", 0.25)),
        ..RotaryUsual::new(2048)
    };
    let rotary = Rotary::read(config, heads.d_head, &usual)?;

    let w = weights.root("gpt_neox");
    let words = w.at("embed_in");
    // The older name of the last matrix, which published checkpoints have.
    let lm_head = ["embed_out", "lm_head"].map(|name| weights.at(name));
    let lm_head = lm_head.iter().find(|at| at.has("weight")).unwrap_or(&lm_head[1]);
    Ok(Decoder {
        embed: words.embedding(vocabulary, width)?.into(),
        positions: rotary.positions,
        rotary: vec![rotary],
        blocks: layers(&w.at("layers"), config.size("num_hidden_layers", 44)?, |_, w| {
            Layer::load(&shape, w)
        })?,
        is_parallel: shape.is_parallel,
        norm: Some(Box::new(w.at("final_layer_norm").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, lm_head, [vocabulary, width], false, false)?,
    })
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, attn_bias, is_parallel } = shape;
        let (attn, mlp) = (w.at("attention"), w.at("mlp"));
        let qkv = attn.at("query_key_value");
        Ok(Layer {
            attn_norm: w.at("input_layernorm").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal),
                heads,
                qkv: qkv.regrouped(&heads.from_head_by_head(), heads.d_head, width, attn_bias)?,
                qk_norm: None,
                rotary: Rotation::By(0),
                out: attn.stacked(&[("dense", width)], width, attn_bias)?,
            },
            mlp_norm: w.at("post_attention_layernorm").layer_norm(width, eps)?,
            mlp: Mlp {
                up: mlp.stacked(&[("dense_h_to_4h", d_mlp)], width, true)?,
                activation,
                down: mlp.stacked(&[("dense_4h_to_h", width)], d_mlp, true)?,
            },
            is_parallel,
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
        let mid = self.attn.add_to(&x, &normed, turns, pass);
        let x = if self.is_parallel {
            let normed = self.mlp_norm.forward(&x, pass);
            self.mlp.add_to(&mid, &normed, Point::MlpOut, pass)
        } else {
            let mid = pass.tap(Point::ResidMid, mid);
            let normed = self.mlp_norm.forward(&mid, pass);
            self.mlp.add_to(&mid, &normed, Point::MlpOut, pass)
        };
        pass.tap(Point::ResidPost, x)
    }
}
