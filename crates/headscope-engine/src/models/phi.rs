//! Phi (arXiv 2306.11644): attention and MLP read the stream side by side, through one norm. A share of each
//! head's dimensions turns with the position, and every matrix has a bias, the last one too.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, LmHead, layers};
use super::llama::{Usual, grouped_heads};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Normalise, Rotary, RotaryUsual, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "phi",
    about: "Phi 1, 1.5 and 2",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    /// Whether queries and keys are normalised, head by head, before they are turned.
    qk_norm: bool,
}

struct Layer {
    norm: Norm,
    attn: SelfAttention,
    mlp: Mlp,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let (width, heads) = grouped_heads(config, &Usual { width: 2048, ..super::llama::USUAL })?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("intermediate_size", 8192)?,
        eps: config.eps("layer_norm_eps", 1e-5)?,
        activation: config.activation("hidden_act", "gelu_new")?,
        qk_norm: config.get("qk_layernorm", false)?,
    };
    let vocabulary = config.size("vocab_size", 51200)?;
    let usual = RotaryUsual { share: Some(("partial_rotary_factor", 0.5)), ..RotaryUsual::new(2048) };
    let rotary = Rotary::read(config, heads.d_head, &usual)?;

    let w = weights.root("model");
    let words = w.at("embed_tokens");
    Ok(Decoder {
        embed: words.embedding(vocabulary, width)?.into(),
        positions: rotary.positions,
        rotary: vec![rotary],
        blocks: layers(&w.at("layers"), config.size("num_hidden_layers", 24)?, |_, w| {
            Layer::load(&shape, w)
        })?,
        is_parallel: true,
        norm: Some(Box::new(w.at("final_layernorm").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], false, true)?,
    })
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, .. } = shape;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (q, k) = heads.widths();
        let qk_norm = || -> Result<[Box<dyn Normalise>; 2], EngineError> {
            let norm = |name| attn.at(name).layer_norm(heads.d_head, eps);
            Ok([Box::new(norm("q_layernorm")?), Box::new(norm("k_layernorm")?)])
        };
        Ok(Layer {
            norm: w.at("input_layernorm").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal),
                heads,
                qkv: attn.stacked(&[("q_proj", q), ("k_proj", k), ("v_proj", k)], width, true)?,
                qk_norm: shape.qk_norm.then(qk_norm).transpose()?,
                rotary: Rotation::By(0),
                out: attn.stacked(&[("dense", width)], q, true)?,
            },
            mlp: Mlp {
                up: mlp.stacked(&[("fc1", d_mlp)], width, true)?,
                activation,
                down: mlp.stacked(&[("fc2", width)], d_mlp, true)?,
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
        let normed = self.norm.forward(&x, pass);
        let x = self.attn.add_to(&x, &normed, turns, pass);
        let x = self.mlp.add_to(&x, &normed, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}
