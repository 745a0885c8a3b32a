//! Gemma 2 (arXiv 2408.00118): Gemma with norms before *and* after attention and MLP, soft caps on scores and
//! logits, and a window in every second layer.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::decoder::{Block, Decoder, Embed, LmHead, layers, masks, needed_window};
use super::llama::{Usual, grouped_heads};
use super::{Family, gemma};
use crate::EngineError;
use crate::config::{Config, Positive};
use crate::kernels::{Activation, Turns};
use crate::nn::{
    GatedMlp, HeadLayout, Normalise, RmsNorm, Rotary, RotaryUsual, Rotation, SelfAttention, add_to,
};
use crate::probe::Pass;
use crate::weights::At;

pub(super) const FAMILY: Family = Family {
    model_type: "gemma2",
    about: "Gemma 2",
    load: |config, weights| {
        config.only("use_bidirectional_attention", false)?;
        let mut shape = Shape::read(config, &USUAL, 2)?;
        let cap = |key, usual| cap(config, key, Some(usual));
        (shape.soft_cap, shape.logits_cap) =
            (cap("attn_logit_softcapping", 50.0)?, cap("final_logit_softcapping", 30.0)?);
        let rotary = Rotary::read(config, shape.heads.d_head, &RotaryUsual::new(USUAL.positions))?;
        let (words, lm_head) = (weights.root("model"), weights.at("lm_head"));
        Ok(Box::new(load(&shape, vec![rotary], config, &words, &lm_head)?))
    },
};

pub(super) const USUAL: Usual = Usual {
    vocabulary: 256_000,
    width: 2304,
    n_heads: 8,
    n_key_heads: Some(4),
    d_head: Some(256),
    d_mlp: 9216,
    n_layers: 26,
    positions: 8192,
    eps: 1e-6,
};

/// Gemma 2, or Gemma 3, which has norms of queries and keys in place of caps on scores.
pub(super) struct Shape {
    pub vocabulary: usize,
    pub width: usize,
    pub heads: HeadLayout,
    pub d_mlp: usize,
    pub eps: f32,
    pub activation: Activation,
    pub n_layers: usize,
    /// What scores are divided by the root of.
    pub score_scalar: f64,
    pub bias: bool,
    /// What a layer sees.
    pub mask: Box<dyn Fn(usize) -> Mask>,
    /// By which rotary a layer turns that sees this.
    pub rotary: fn(Mask) -> usize,
    pub qk_norm: bool,
    pub soft_cap: Option<f32>,
    pub logits_cap: Option<f32>,
}

impl Shape {
    /// Every layer but each `full`-th sees a window.
    pub(super) fn read(config: &Config, usual: &Usual, full: usize) -> Result<Shape, EngineError> {
        let (width, heads) = grouped_heads(config, usual)?;
        let n_layers = config.size("num_hidden_layers", usual.n_layers)?;
        let window = needed_window(config, 4096)?;
        Ok(Shape {
            vocabulary: config.size("vocab_size", usual.vocabulary)?,
            width,
            heads,
            d_mlp: config.size("intermediate_size", usual.d_mlp)?,
            eps: config.eps("rms_norm_eps", usual.eps)?,
            activation: config.activation("hidden_activation", "gelu_pytorch_tanh")?,
            n_layers,
            score_scalar: config.get("query_pre_attn_scalar", Positive(256.0))?.0,
            bias: config.get("attention_bias", false)?,
            mask: masks(config, n_layers, Some(window), move |layer| (layer + 1) % full != 0)?,
            rotary: |_| 0,
            qk_norm: false,
            soft_cap: None,
            logits_cap: None,
        })
    }
}

/// A soft cap; null is none.
pub(super) fn cap(config: &Config, key: &str, usual: Option<f64>) -> Result<Option<f32>, EngineError> {
    let given = config.given::<Positive>(key)?.map(|cap| cap.0);
    let usual = usual.filter(|_| !config.is_null(key));
    Ok(given.or(usual).map(|cap| cap as f32))
}

struct Layer {
    attn_norm: RmsNorm,
    attn: SelfAttention,
    attn_out_norm: RmsNorm,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    mlp_out_norm: RmsNorm,
}

pub(super) fn load(
    shape: &Shape,
    rotary: Vec<Rotary>,
    config: &Config,
    w: &At<'_>,
    lm_head: &At<'_>,
) -> Result<impl super::Network + use<>, EngineError> {
    let words = w.at("embed_tokens");
    let &Shape { vocabulary, width, .. } = shape;
    let lm_head = LmHead::load(config, &words, lm_head, [vocabulary, width], true, false)?;
    Ok(Decoder {
        embed: Embed { scale: gemma::word_scale(width), ..words.embedding(vocabulary, width)?.into() },
        positions: rotary.iter().map(|rotary| rotary.positions).max().unwrap_or_default(),
        rotary,
        blocks: layers(&w.at("layers"), shape.n_layers, |i, w| Layer::load(shape, (shape.mask)(i), w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("norm").rms_norm(width, shape.eps)?.above(1.0))),
        project_out: None,
        lm_head: lm_head.map(|head| LmHead { soft_cap: shape.logits_cap, ..head }),
    })
}

impl Layer {
    fn load(shape: &Shape, mask: Mask, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, bias, soft_cap, .. } = shape;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (q, k) = heads.widths();
        let norm = |w: &At<'_>, width| Ok::<_, EngineError>(w.rms_norm(width, eps)?.above(1.0));
        let qk_norm = || -> Result<[Box<dyn Normalise>; 2], EngineError> {
            let [q_norm, k_norm] = ["q_norm", "k_norm"].map(|name| norm(&attn.at(name), heads.d_head));
            Ok([Box::new(q_norm?), Box::new(k_norm?)])
        };
        let rule = heads.rule(shape.score_scalar.sqrt().recip(), mask);
        Ok(Layer {
            attn_norm: norm(&w.at("input_layernorm"), width)?,
            attn: SelfAttention {
                rule: AttentionRule { soft_cap, ..rule },
                heads,
                qkv: attn.stacked(&[("q_proj", q), ("k_proj", k), ("v_proj", k)], width, bias)?,
                qk_norm: shape.qk_norm.then(qk_norm).transpose()?,
                rotary: Rotation::By((shape.rotary)(mask)),
                out: attn.stacked(&[("o_proj", width)], q, bias)?,
            },
            attn_out_norm: norm(&w.at("post_attention_layernorm"), width)?,
            mlp_norm: norm(&w.at("pre_feedforward_layernorm"), width)?,
            mlp: GatedMlp {
                gate_up: mlp.stacked(&[("gate_proj", d_mlp), ("up_proj", d_mlp)], width, false)?,
                activation,
                down: mlp.stacked(&[("down_proj", width)], d_mlp, false)?,
            },
            mlp_out_norm: norm(&w.at("post_feedforward_layernorm"), width)?,
        })
    }
}

impl Block for Layer {
    fn rule(&self) -> &AttentionRule {
        &self.attn.rule
    }

    fn forward(&self, x: Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let attn = self.attn.forward(&self.attn_norm.forward(&x, pass), turns, pass);
        let x = add_to(&x, self.attn_out_norm.forward(&attn, pass), Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let mlp = self.mlp.forward(&self.mlp_norm.forward(&x, pass), pass);
        let x = add_to(&x, self.mlp_out_norm.forward(&mlp, pass), Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}
