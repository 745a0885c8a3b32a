//! GPT-2: a decoder with learned positions. Each block normalises before it attends and before its MLP, and
//! the words serve as the last matrix too. Its matrices are stored `[in, out]`.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, Embed, LmHead, Positions, equal_heads, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gpt2",
    about: "GPT-2 and what shares its layout: DistilGPT-2, DialoGPT",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    /// Whether scores are divided by the root of a head's width.
    scaled: bool,
    /// Whether they are also divided by the number of the layer, counted from 1.
    scaled_by_layer: bool,
}

struct Layer {
    attn_norm: Norm,
    attn: SelfAttention,
    mlp_norm: Norm,
    mlp: Mlp,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    config.only("add_cross_attention", false)?;
    let key = |own, common| config.spelled(&[own, common]);
    let (width, heads) =
        equal_heads(config, (key("n_embd", "hidden_size"), 768), (key("n_head", "num_attention_heads"), 12))?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("n_inner", width.saturating_mul(4))?,
        eps: config.eps("layer_norm_epsilon", 1e-5)?,
        activation: config.activation("activation_function", "gelu_new")?,
        scaled: config.get("scale_attn_weights", true)?,
        scaled_by_layer: config.get("scale_attn_by_inverse_layer_idx", false)?,
    };
    let vocabulary = config.size("vocab_size", 50257)?;
    let positions = config.size(key("n_positions", "max_position_embeddings"), 1024)?;
    let n_layers = config.size(key("n_layer", "num_hidden_layers"), 12)?;

    let w = weights.root("transformer");
    let words = w.at("wte");
    let table = w.at("wpe").embedding(positions, width)?;
    Ok(Decoder {
        embed: Embed {
            positions: Some(Positions { table, first: 0, skips_padding: false }),
            ..words.embedding(vocabulary, width)?.into()
        },
        rotary: Vec::new(),
        blocks: layers(&w.at("h"), n_layers, |i, w| Layer::load(&shape, i, w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("ln_f").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], true, false)?,
        positions,
    })
}

impl Layer {
    fn load(shape: &Shape, layer: usize, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, scaled, scaled_by_layer } = shape;
        let (attn, mlp) = (w.at("attn"), w.at("mlp"));
        let by_width = if scaled { (heads.d_head as f64).sqrt() } else { 1.0 };
        let by_layer = if scaled_by_layer { layer as f64 + 1.0 } else { 1.0 };
        Ok(Layer {
            attn_norm: w.at("ln_1").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: heads.rule((by_width * by_layer).recip(), Mask::Causal),
                heads,
                qkv: attn.at("c_attn").linear_by_input(3 * width, width)?,
                qk_norm: None,
                rotary: Rotation::Absent,
                out: attn.at("c_proj").linear_by_input(width, width)?,
            },
            mlp_norm: w.at("ln_2").layer_norm(width, eps)?,
            mlp: Mlp {
                up: mlp.at("c_fc").linear_by_input(d_mlp, width)?,
                activation,
                down: mlp.at("c_proj").linear_by_input(width, d_mlp)?,
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
