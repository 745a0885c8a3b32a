//! OLMo 2 (arXiv 2501.00656): Llama that normalises what attention and MLP give, not what they take, and all
//! queries of a token together, as all keys.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, LmHead, layers};
use super::llama::{self, Usual, grouped_heads};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{GatedMlp, HeadLayout, RmsNorm, Rotary, RotaryUsual, Rotation, SelfAttention, add_to};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "olmo2",
    about: "OLMo 2",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    bias: bool,
}

struct Layer {
    attn: SelfAttention,
    attn_norm: RmsNorm,
    mlp: GatedMlp,
    mlp_norm: RmsNorm,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let usual = Usual { vocabulary: 50304, ..llama::USUAL };
    let (width, heads) = grouped_heads(config, &usual)?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("intermediate_size", usual.d_mlp)?,
        eps: config.eps("rms_norm_eps", 1e-5)?,
        activation: config.activation("hidden_act", "silu")?,
        bias: config.get("attention_bias", false)?,
    };
    let vocabulary = config.size("vocab_size", usual.vocabulary)?;
    let n_layers = config.size("num_hidden_layers", usual.n_layers)?;
    let rotary = Rotary::read(config, heads.d_head, &RotaryUsual::new(usual.positions))?;

    let w = weights.root("model");
    let words = w.at("embed_tokens");
    Ok(Decoder {
        embed: words.embedding(vocabulary, width)?.into(),
        positions: rotary.positions,
        rotary: vec![rotary],
        blocks: layers(&w.at("layers"), n_layers, |_, w| Layer::load(&shape, w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("norm").rms_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], false, false)?,
    })
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, bias } = shape;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (q, k) = heads.widths();
        Ok(Layer {
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal),
                heads,
                qkv: attn.stacked(&[("q_proj", q), ("k_proj", k), ("v_proj", k)], width, bias)?,
                qk_norm: Some([
                    Box::new(attn.at("q_norm").rms_norm(q, eps)?),
                    Box::new(attn.at("k_norm").rms_norm(k, eps)?),
                ]),
                rotary: Rotation::By(0),
                out: attn.stacked(&[("o_proj", width)], q, bias)?,
            },
            attn_norm: w.at("post_attention_layernorm").rms_norm(width, eps)?,
            mlp: GatedMlp {
                gate_up: mlp.stacked(&[("gate_proj", d_mlp), ("up_proj", d_mlp)], width, false)?,
                activation,
                down: mlp.stacked(&[("down_proj", width)], d_mlp, false)?,
            },
            mlp_norm: w.at("post_feedforward_layernorm").rms_norm(width, eps)?,
        })
    }
}

impl Block for Layer {
    fn rule(&self) -> &AttentionRule {
        &self.attn.rule
    }

    fn forward(&self, x: Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let attn = self.attn.forward(&x, turns, pass);
        let x = add_to(&x, self.attn_norm.forward(&attn, pass), Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let mlp = self.mlp.forward(&x, pass);
        let x = add_to(&x, self.mlp_norm.forward(&mlp, pass), Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}
