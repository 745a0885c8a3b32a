//! OPT (arXiv 2205.01068): a decoder with learned positions, of which the first two rows are not used. Most
//! models normalise before they attend; the one of 350M after, and its words are narrower than its blocks.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};

use super::Family;
use super::decoder::{Block, Decoder, Embed, LmHead, Positions, equal_heads, layers};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Normalise, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "opt",
    about: "OPT, 125M to 66B",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

/// Rows of the table of positions before the first.
const SKIPPED: usize = 2;

/// Which no configuration tells.
const EPS: f32 = 1e-5;

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    activation: Activation,
    bias: bool,
    /// Whether norms have weights.
    weighted: bool,
    norm_first: bool,
}

struct Layer {
    norm_first: bool,
    attn: SelfAttention,
    attn_norm: Norm,
    mlp: Mlp,
    mlp_norm: Norm,
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let (width, heads) = equal_heads(config, ("hidden_size", 768), ("num_attention_heads", 12))?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("ffn_dim", 3072)?,
        activation: config.activation("activation_function", "relu")?,
        bias: config.get("enable_bias", true)?,
        weighted: config.get("layer_norm_elementwise_affine", true)?,
        norm_first: config.get("do_layer_norm_before", true)?,
    };
    let vocabulary = config.size("vocab_size", 50272)?;
    let word_width = config.size("word_embed_proj_dim", width)?;
    let positions = config.size("max_position_embeddings", 2048)?;
    let has_norm = shape.norm_first && !config.get("_remove_final_layer_norm", false)?;

    let w = weights.root("model").at("decoder");
    let words = w.at("embed_tokens");
    let table = w.at("embed_positions").embedding(positions.saturating_add(SKIPPED), width)?;
    let project = |name, n_out, n_in| match width == word_width {
        true => Ok(None),
        false => w.stacked(&[(name, n_out)], n_in, false).map(Some),
    };
    let norm = || Ok::<Box<dyn Normalise>, EngineError>(Box::new(shape.norm(&w.at("final_layer_norm"))?));
    Ok(Decoder {
        embed: Embed {
            project_in: project("project_in", width, word_width)?,
            positions: Some(Positions { table, first: SKIPPED, skips_padding: true }),
            ..words.embedding(vocabulary, word_width)?.into()
        },
        rotary: Vec::new(),
        blocks: layers(&w.at("layers"), config.size("num_hidden_layers", 12)?, |_, w| {
            Layer::load(&shape, w)
        })?,
        is_parallel: false,
        norm: has_norm.then(norm).transpose()?,
        project_out: project("project_out", word_width, width)?,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, word_width], true, false)?,
        positions,
    })
}

impl Shape {
    fn norm(&self, w: &At<'_>) -> Result<Norm, EngineError> {
        if self.weighted { w.layer_norm(self.width, EPS) } else { Ok(Norm::plain(self.width, EPS)) }
    }
}

impl Layer {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, activation, bias, norm_first, .. } = shape;
        let attn = w.at("self_attn");
        let qkv = ["q_proj", "k_proj", "v_proj"].map(|name| (name, width));
        Ok(Layer {
            norm_first,
            attn: SelfAttention {
                rule: heads.rule((heads.d_head as f64).sqrt().recip(), Mask::Causal),
                heads,
                qkv: attn.stacked(&qkv, width, bias)?,
                qk_norm: None,
                rotary: Rotation::Absent,
                out: attn.stacked(&[("out_proj", width)], width, bias)?,
            },
            attn_norm: shape.norm(&w.at("self_attn_layer_norm"))?,
            mlp: Mlp {
                up: w.stacked(&[("fc1", d_mlp)], width, bias)?,
                activation,
                down: w.stacked(&[("fc2", width)], d_mlp, bias)?,
            },
            mlp_norm: shape.norm(&w.at("final_layer_norm"))?,
        })
    }
}

impl Block for Layer {
    fn rule(&self) -> &AttentionRule {
        &self.attn.rule
    }

    fn forward(&self, x: Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        if self.norm_first {
            let normed = self.attn_norm.forward(&x, pass);
            let x = self.attn.add_to(&x, &normed, turns, pass);
            let x = pass.tap(Point::ResidMid, x);

            let normed = self.mlp_norm.forward(&x, pass);
            let x = self.mlp.add_to(&x, &normed, Point::MlpOut, pass);
            return pass.tap(Point::ResidPost, x);
        }
        let x = self.attn.add_to(&x, &x, turns, pass);
        let x = pass.tap(Point::ResidMid, x);
        let x = self.attn_norm.forward(&x, pass);

        let x = self.mlp.add_to(&x, &x, Point::MlpOut, pass);
        let x = pass.tap(Point::ResidPost, x);
        self.mlp_norm.forward(&x, pass)
    }
}
