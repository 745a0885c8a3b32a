//! Llama (arXiv 2302.13971): a decoder that reads from left to right. Each block normalises *before* it
//! attends and before its gated MLP; positions are turns of queries and keys, which several heads share.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, Embed, LmHead, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{GatedMlp, HeadLayout, Normalise, RmsNorm, Rotary, RotaryUsual, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "llama",
    about: "Llama 1 to 3 and what shares their layout: SmolLM, TinyLlama, Yi",
    load: |config, weights| {
        config.only("pretraining_tp", 1)?;
        let bias = config.get("attention_bias", false)?;
        let mlp_bias = config.get("mlp_bias", false)?;
        let shape = Shape::read(config, &USUAL)?;
        let shape = Shape { qkv_bias: bias, out_bias: bias, mlp_bias, ..shape };
        Ok(Box::new(load(&shape, config, weights)?))
    },
};

pub(super) const USUAL: Usual = Usual {
    vocabulary: 32000,
    width: 4096,
    n_heads: 32,
    n_key_heads: None,
    d_head: None,
    d_mlp: 11008,
    n_layers: 32,
    positions: 2048,
    eps: 1e-6,
};

/// What a configuration means that does not say it: where relatives differ.
pub(super) struct Usual {
    pub vocabulary: usize,
    pub width: usize,
    pub n_heads: usize,
    pub n_key_heads: Option<usize>,
    pub d_head: Option<usize>,
    pub d_mlp: usize,
    pub n_layers: usize,
    pub positions: usize,
    pub eps: f32,
}

/// Llama, or a relative that differs in what its layers see, where there are biases, or norms.
pub(super) struct Shape {
    pub vocabulary: usize,
    pub width: usize,
    pub heads: HeadLayout,
    pub d_mlp: usize,
    pub eps: f32,
    pub activation: Activation,
    pub rotary: RotaryUsual,
    pub n_layers: usize,
    /// What the queries of a layer see.
    pub mask: Box<dyn Fn(usize) -> Mask>,
    /// Whether a layer turns its queries and keys.
    pub turned: Box<dyn Fn(usize) -> bool>,
    pub qkv_bias: bool,
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// Whether queries and keys are normalised, head by head, before they are turned.
    pub qk_norm: bool,
    /// Whether queries, keys and values are stored as one matrix, and gate and up as another.
    pub fused: bool,
    /// The factor of words.
    pub word_scale: f32,
    /// What the weights of norms are more than is stored.
    pub norm_base: f32,
    /// Whether logits come from the words where the configuration does not say it.
    pub tied: bool,
}

impl Shape {
    /// Llama's shape: every layer sees all tokens before, no biases, no norms of queries and keys.
    pub(super) fn read(config: &Config, usual: &Usual) -> Result<Shape, EngineError> {
        let (width, heads) = grouped_heads(config, usual)?;
        Ok(Shape {
            vocabulary: config.size("vocab_size", usual.vocabulary)?,
            width,
            heads,
            d_mlp: config.size("intermediate_size", usual.d_mlp)?,
            eps: config.eps("rms_norm_eps", usual.eps)?,
            activation: config.activation("hidden_act", "silu")?,
            rotary: RotaryUsual::new(usual.positions),
            n_layers: config.size("num_hidden_layers", usual.n_layers)?,
            mask: Box::new(|_| Mask::Causal),
            turned: Box::new(|_| true),
            qkv_bias: false,
            out_bias: false,
            mlp_bias: false,
            qk_norm: false,
            fused: false,
            word_scale: 1.0,
            norm_base: 0.0,
            tied: false,
        })
    }
}

/// The width of the model and its heads, several of which may share keys and values.
pub(super) fn grouped_heads(config: &Config, usual: &Usual) -> Result<(usize, HeadLayout), EngineError> {
    let width = config.size("hidden_size", usual.width)?;
    let n_heads = config.size("num_attention_heads", usual.n_heads)?;
    let n_key_heads = match config.is_null("num_key_value_heads") {
        true => n_heads,
        false => config.size("num_key_value_heads", usual.n_key_heads.unwrap_or(n_heads))?,
    };
    if n_heads % n_key_heads != 0 {
        let detail = format!("is {n_key_heads}; expected a divisor of the {n_heads} heads");
        return Err(config.fault("num_key_value_heads", detail));
    }
    let usual_d_head = usual.d_head.filter(|_| !config.is_null("head_dim"));
    let d_head = match config.given::<usize>("head_dim")?.or(usual_d_head) {
        None if width % n_heads != 0 => {
            let detail = format!("is {width}; expected a multiple of the {n_heads} heads, or a head_dim");
            return Err(config.fault("hidden_size", detail));
        }
        None => width / n_heads,
        Some(d_head) => config.size("head_dim", d_head)?,
    };
    if n_heads.checked_mul(d_head).is_none() {
        return Err(config.fault("num_attention_heads", format!("is {n_heads}; expected fewer")));
    }
    Ok((width, HeadLayout { n_heads, n_key_heads, d_head }))
}

/// A block of Llama.
struct Layer {
    attn_norm: RmsNorm,
    attn: SelfAttention,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
}

/// A Llama, or a relative, of this shape.
pub(super) fn load(
    shape: &Shape,
    config: &Config,
    weights: &Weights,
) -> Result<impl super::Network + use<>, EngineError> {
    let w = weights.root("model");
    let words = w.at("embed_tokens");
    let &Shape { vocabulary, width, .. } = shape;
    let rotary = Rotary::read(config, shape.heads.d_head, &shape.rotary)?;
    Ok(Decoder {
        embed: Embed { scale: shape.word_scale, ..words.embedding(vocabulary, width)?.into() },
        positions: rotary.positions,
        rotary: vec![rotary],
        blocks: layers(&w.at("layers"), shape.n_layers, |i, w| Layer::load(shape, i, w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("norm").rms_norm(width, shape.eps)?.above(shape.norm_base))),
        project_out: None,
        lm_head: LmHead::load(
            config,
            &words,
            &weights.at("lm_head"),
            [vocabulary, width],
            shape.tied,
            false,
        )?,
    })
}

impl Layer {
    fn load(shape: &Shape, layer: usize, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, .. } = shape;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (q, k) = heads.widths();
        let (qkv, gate_up) = match shape.fused {
            true => (vec![("qkv_proj", q + 2 * k)], vec![("gate_up_proj", d_mlp.saturating_mul(2))]),
            false => (
                vec![("q_proj", q), ("k_proj", k), ("v_proj", k)],
                vec![("gate_proj", d_mlp), ("up_proj", d_mlp)],
            ),
        };
        let norm = |w: &At<'_>, width| Ok::<_, EngineError>(w.rms_norm(width, eps)?.above(shape.norm_base));
        let qk_norm = || -> Result<[Box<dyn Normalise>; 2], EngineError> {
            let [q_norm, k_norm] = ["q_norm", "k_norm"].map(|name| norm(&attn.at(name), heads.d_head));
            Ok([Box::new(q_norm?), Box::new(k_norm?)])
        };
        Ok(Layer {
            attn_norm: norm(&w.at("input_layernorm"), width)?,
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), (shape.mask)(layer)),
                heads,
                qkv: attn.stacked(&qkv, width, shape.qkv_bias)?,
                qk_norm: shape.qk_norm.then(qk_norm).transpose()?,
                rotary: if (shape.turned)(layer) { Rotation::By(0) } else { Rotation::Idle },
                out: attn.stacked(&[("o_proj", width)], q, shape.out_bias)?,
            },
            mlp_norm: norm(&w.at("post_attention_layernorm"), width)?,
            mlp: GatedMlp {
                gate_up: mlp.stacked(&gate_up, width, shape.mlp_bias)?,
                activation: shape.activation,
                down: mlp.stacked(&[("down_proj", width)], d_mlp, shape.mlp_bias)?,
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
