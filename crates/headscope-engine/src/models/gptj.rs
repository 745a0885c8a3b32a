//! GPT-J: attention and MLP read the stream side by side, through one norm. The first dimensions of each
//! head turn with the position, each with its neighbour; the last matrix has a bias.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, LmHead, equal_heads, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Pairing, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Rotary, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gptj",
    about: "GPT-J",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
}

struct Layer {
    norm: Norm,
    attn: SelfAttention,
    mlp: Mlp,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let key = |own, common| config.spelled(&[own, common]);
    let (width, heads) = equal_heads(
        config,
        (key("n_embd", "hidden_size"), 4096),
        (key("n_head", "num_attention_heads"), 16),
    )?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("n_inner", width.saturating_mul(4))?,
        eps: config.eps("layer_norm_epsilon", 1e-5)?,
        activation: config.activation("activation_function", "gelu_new")?,
    };
    let vocabulary = config.size("vocab_size", 50400)?;
    let positions = config.size(key("n_positions", "max_position_embeddings"), 2048)?;
    let n_layers = config.size(key("n_layer", "num_hidden_layers"), 28)?;
    let turning = config.size("rotary_dim", 64)?;
    if config.is_null("rotary_dim") || turning % 2 != 0 || turning > heads.d_head {
        let detail =
            format!("is {turning} or null; expected an even number up to {}, a head's width", heads.d_head);
        return Err(config.fault("rotary_dim", detail));
    }

    let w = weights.root("transformer");
    let words = w.at("wte");
    Ok(Decoder {
        embed: words.embedding(vocabulary, width)?.into(),
        rotary: vec![Rotary::plain(10_000.0, turning, Pairing::Neighbours, positions)],
        blocks: layers(&w.at("h"), n_layers, |_, w| Layer::load(&shape, w))?,
        is_parallel: true,
        norm: Some(Box::new(w.at("ln_f").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], false, true)?,
        positions,
    })
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation } = shape;
        let (attn, mlp) = (w.at("attn"), w.at("mlp"));
        let qkv = ["q_proj", "k_proj", "v_proj"].map(|name| (name, width));
        Ok(Layer {
            norm: w.at("ln_1").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal),
                heads,
                qkv: attn.stacked(&qkv, width, false)?,
                qk_norm: None,
                rotary: Rotation::By(0),
                out: attn.stacked(&[("out_proj", width)], width, false)?,
            },
            mlp: Mlp {
                up: mlp.stacked(&[("fc_in", d_mlp)], width, true)?,
                activation,
                down: mlp.stacked(&[("fc_out", width)], d_mlp, true)?,
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
