//! GPT-Neo: GPT-2 in which every second layer sees a window of the last tokens, and scores are not divided by
//! the root of a head's width.

use headscope_trace::{AttentionRule, Mask, Point, Tensor};
use serde_json::Value;

use super::Family;
use super::decoder::{Block, Decoder, Embed, LmHead, Positions, equal_heads, layers};
use crate::EngineError;
use crate::config::{Config, Setting};
use crate::kernels::{Activation, Turns};
use crate::nn::{HeadLayout, Mlp, Norm, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gpt_neo",
    about: "GPT-Neo and TinyStories",
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
    attn_norm: Norm,
    attn: SelfAttention,
    mlp_norm: Norm,
    mlp: Mlp,
}

/// Kinds of layers, and how often they follow each other: `[[["global", "local"], 12]]`.
struct LayerKinds(Vec<(Vec<String>, usize)>);

impl Setting for LayerKinds {
    const EXPECTED: &'static str = "a list of names of layers and how often they are repeated";

    fn read(value: &Value) -> Option<LayerKinds> {
        let item = |item: &Value| match item.as_array()?.as_slice() {
            [names, times] => Some((Vec::read(names)?, usize::read(times)?)),
            _ => None,
        };
        value.as_array()?.iter().map(item).collect::<Option<_>>().map(LayerKinds)
    }
}

impl LayerKinds {
    fn count(&self) -> usize {
        self.0.iter().fold(0, |sum, (names, times)| sum.saturating_add(names.len().saturating_mul(*times)))
    }

    /// The kind of a layer, of those that are counted.
    fn of(&self, mut layer: usize) -> &str {
        for (names, times) in &self.0 {
            let here = names.len().saturating_mul(*times);
            if layer < here {
                return &names[layer % names.len()];
            }
            layer -= here;
        }
        ""
    }
}

fn load(config: &Config, weights: &Weights) -> Result<Decoder<Layer>, EngineError> {
    let key = |own, common| config.spelled(&[own, common]);
    let heads = (key("num_heads", "num_attention_heads"), 16);
    let (width, heads) = equal_heads(config, ("hidden_size", 2048), heads)?;
    let shape = Shape {
        width,
        heads,
        d_mlp: config.size("intermediate_size", width.saturating_mul(4))?,
        eps: config.eps("layer_norm_epsilon", 1e-5)?,
        activation: config.activation("activation_function", "gelu_new")?,
    };
    let vocabulary = config.size("vocab_size", 50257)?;
    let positions = config.size("max_position_embeddings", 2048)?;
    let n_layers = config.size(key("num_layers", "num_hidden_layers"), 24)?;
    let window = config.size("window_size", 256)?;
    let usual = LayerKinds(vec![(vec!["global".into(), "local".into()], 12)]);
    let kinds = config.get("attention_types", usual)?;
    let fault = |detail| config.fault("attention_types", detail);
    if kinds.count() != n_layers {
        return Err(fault(format!("names {} layers; expected {n_layers}", kinds.count())));
    }
    let mask = |layer| match kinds.of(layer) {
        "global" => Ok(Mask::Causal),
        "local" => Ok(Mask::CausalWindow(window)),
        other => Err(fault(format!("has {other:?}; supported are global, local"))),
    };

    let w = weights.root("transformer");
    let words = w.at("wte");
    let table = w.at("wpe").embedding(positions, width)?;
    Ok(Decoder {
        embed: Embed {
            positions: Some(Positions { table, first: 0, skips_padding: false }),
            ..words.embedding(vocabulary, width)?.into()
        },
        rotary: Vec::new(),
        blocks: layers(&w.at("h"), n_layers, |i, w| Layer::load(&shape, mask(i)?, w))?,
        is_parallel: false,
        norm: Some(Box::new(w.at("ln_f").layer_norm(width, shape.eps)?)),
        project_out: None,
        lm_head: LmHead::load(config, &words, &weights.at("lm_head"), [vocabulary, width], true, false)?,
        positions,
    })
}

impl Layer {
    fn load(shape: &Shape, mask: Mask, w: &At<'_>) -> Result<Layer, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation } = shape;
        let (attn, mlp) = (w.at("attn.attention"), w.at("mlp"));
        let qkv = ["q_proj", "k_proj", "v_proj"].map(|name| (name, width));
        Ok(Layer {
            attn_norm: w.at("ln_1").layer_norm(width, eps)?,
            attn: SelfAttention {
                rule: heads.rule(1.0, mask),
                heads,
                qkv: attn.stacked(&qkv, width, false)?,
                qk_norm: None,
                rotary: Rotation::Absent,
                out: attn.stacked(&[("out_proj", width)], width, true)?,
            },
            mlp_norm: w.at("ln_2").layer_norm(width, eps)?,
            mlp: Mlp {
                up: mlp.stacked(&[("c_fc", d_mlp)], width, true)?,
                activation,
                down: mlp.stacked(&[("c_proj", width)], d_mlp, true)?,
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
