//! BLOOM (arXiv 2211.05100): a decoder that knows positions only by what their distance takes off a score,
//! each head at a rate of its own (ALiBi, arXiv 2108.12409). Words are normalised before the first block.

use headscope_trace::{AttentionRule, Mask, Point, Position, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, Embed, LmHead, equal_heads, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "bloom",
    about: "BLOOM and BLOOMZ",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    eps: f32,
    /// Whether what attention and MLP read is also what they add to.
    adds_to_normed: bool,
}

struct Layer {
    attn_norm: Norm,
    attn: SelfAttention,
    mlp_norm: Norm,
    mlp: Mlp,
    adds_to_normed: bool,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    config.only("slow_but_exact", false)?;
    let heads = (config.spelled(&["n_head", "num_attention_heads"]), 8);
    let (width, heads) = equal_heads(config, (config.spelled(&["n_embed", "hidden_size"]), 64), heads)?;
    let shape = Shape {
        width,
        heads,
        eps: config.eps("layer_norm_epsilon", 1e-5)?,
        adds_to_normed: config.get("apply_residual_connection_post_layernorm", false)?,
    };
    let vocabulary = config.size("vocab_size", 250_880)?;
    let n_layers = config.size(config.spelled(&["n_layer", "num_hidden_layers"]), 2)?;

    let w = weights.root("transformer");
    let words = w.at("word_embeddings");
    Ok(Decoder {
        embed: Embed {
            norm: Some(w.at("word_embeddings_layernorm").layer_norm(width, shape.eps)?),
            ..words.embedding(vocabulary, width)?.into()
        },
        rotary: Vec::new(),
        blocks: layers(&w.at("h"), n_layers, |_, w| Layer::load(&shape, w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("ln_f").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], true, false)?,
        positions: usize::MAX,
    })
}

/// How much a head takes off a score for each token of distance: powers of one number for the largest power of
/// two among the heads, and every second power of its root for the rest.
fn slopes(n_heads: usize) -> Vec<f32> {
    let among = 1 << n_heads.ilog2();
    let base = |heads: usize| (-8.0 / heads as f64).exp2() as f32;
    let first = (1..=among).map(|i| base(among).powi(i as i32));
    let rest = (0..n_heads - among).map(|i| base(2 * among).powi(2 * i as i32 + 1));
    first.chain(rest).collect()
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, eps, adds_to_normed } = shape;
        let (attn, mlp) = (w.at("self_attention"), w.at("mlp"));
        let rule = heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal);
        let qkv = attn.at("query_key_value");
        Ok(Layer {
            attn_norm: w.at("input_layernorm").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: AttentionRule {
                    position: Some(Position::Alibi { slopes: slopes(heads.n_heads) }),
                    ..rule
                },
                heads,
                qkv: qkv.regrouped(&heads.from_head_by_head(), heads.d_head, width, true)?,
                qk_norm: None,
                rotary: Rotation::Absent,
                out: attn.stacked(&[("dense", width)], width, true)?,
            },
            mlp_norm: w.at("post_attention_layernorm").layer_norm(width, eps)?,
            mlp: Mlp {
                up: mlp.stacked(&[("dense_h_to_4h", 4 * width)], width, true)?,
                activation: Activation::GeluTanh,
                down: mlp.stacked(&[("dense_4h_to_h", width)], 4 * width, true)?,
            },
            adds_to_normed,
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
        let x = if self.adds_to_normed { &normed } else { &x };
        let x = self.attn.add_to(x, &normed, turns, pass);
        let x = pass.tap(Point::ResidMid, x);

        let normed = self.mlp_norm.forward(&x, pass);
        let x = if self.adds_to_normed { &normed } else { &x };
        let x = self.mlp.add_to(x, &normed, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}
