//! ModernBERT (arXiv 2412.13663): an encoder with the means of later decoders. Each block normalises *before*
//! it attends and before its gated MLP; positions are turns of queries and keys; and most layers see a window
//! on both sides, while some see all and turn more slowly.

use headscope_trace::{AttentionRule, Attn, Mask, Point, Tensor};

use super::bert::even_heads;
use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::{Activation, Turns};
use crate::nn::{
    Embedding, GatedMlp, HeadLayout, Linear, MaskedLm, Norm, Rotary, RotaryUsual, attend, rotate,
};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "modernbert",
    about: "ModernBERT",
    load: |config, weights| Ok(Box::new(ModernBert::load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    norm_bias: bool,
    attn_bias: bool,
    mlp_bias: bool,
    activation: Activation,
}

struct ModernBert {
    words: Embedding,
    norm: Norm,
    /// Of layers that see all, and of those that see a window.
    rotary: [Rotary; 2],
    blocks: Vec<Block>,
    final_norm: Norm,
    masked_lm: Option<MaskedLm>,
}

struct Block {
    is_local: bool,
    rule: AttentionRule,
    heads: HeadLayout,
    /// None in the first block, whose input is normalised already.
    attn_norm: Option<Norm>,
    qkv: Linear,
    attn_out: Linear,
    mlp_norm: Norm,
    mlp: GatedMlp,
}

impl ModernBert {
    fn load(config: &Config, weights: &Weights) -> Result<ModernBert, EngineError> {
        let width = config.size("hidden_size", 768)?;
        let shape = Shape {
            width,
            heads: even_heads(config, ["hidden_size", "num_attention_heads"], width, 12)?,
            d_mlp: config.size("intermediate_size", 1152)?,
            eps: config.eps("norm_eps", 1e-5)?,
            norm_bias: config.get("norm_bias", false)?,
            attn_bias: config.get("attention_bias", false)?,
            mlp_bias: config.get("mlp_bias", false)?,
            activation: config.activation("hidden_activation", "gelu")?,
        };
        config.only("head_dim", shape.heads.d_head)?;
        let vocabulary = config.size("vocab_size", 50368)?;
        let reach = config.given("sliding_window")?;
        let window = Mask::Window(reach.map_or_else(|| Ok(config.get("local_attention", 128)? / 2), Ok)?);
        let local = local_layers(config, config.size("num_hidden_layers", 22)?)?;

        let w = weights.root("model");
        let words = w.at("embeddings.tok_embeddings");
        let norm = |place: &At<'_>| place.layer_norm_with(width, shape.eps, shape.norm_bias);
        let block = |(layer, is_local): (usize, bool)| {
            let mask = if is_local { window } else { Mask::Full };
            Block::load(&shape, is_local, mask, layer > 0, &w.at("layers").at(layer))
        };
        Ok(ModernBert {
            words: words.embedding(vocabulary, width)?,
            norm: norm(&w.at("embeddings.norm"))?,
            rotary: [
                rotary(config, "full_attention", ("global_rope_theta", 160_000.0), shape.heads.d_head)?,
                rotary(config, "sliding_attention", ("local_rope_theta", 10_000.0), shape.heads.d_head)?,
            ],
            blocks: local.into_iter().enumerate().map(block).collect::<Result<_, _>>()?,
            final_norm: norm(&w.at("final_norm"))?,
            masked_lm: masked_lm(&shape, vocabulary, config, &words, weights)?,
        })
    }
}

/// More are in a damaged configuration.
const MOST_LAYERS: usize = 1 << 12;

/// Which layers see a window: by `layer_types`, or else all but every so manieth.
fn local_layers(config: &Config, n_layers: usize) -> Result<Vec<bool>, EngineError> {
    let Some(types) = config.given::<Vec<String>>("layer_types")? else {
        let every = config.size("global_attn_every_n_layers", 3)?;
        if n_layers > MOST_LAYERS {
            let detail = format!("is {n_layers}; expected at most {MOST_LAYERS}");
            return Err(config.fault("num_hidden_layers", detail));
        }
        return Ok((0..n_layers).map(|layer| layer % every != 0).collect());
    };
    let fault = |detail| config.fault("layer_types", detail);
    if types.len() != n_layers {
        return Err(fault(format!("names {} layers; expected {n_layers}", types.len())));
    }
    let is_local = |name: &String| match name.as_str() {
        "full_attention" => Ok(false),
        "sliding_attention" => Ok(true),
        other => Err(fault(format!("has {other:?}; supported are full_attention, sliding_attention"))),
    };
    types.iter().map(is_local).collect()
}

/// How layers of one kind turn, by `rope_parameters` or, as before there were these, by a key of their own.
fn rotary(
    config: &Config,
    kind: &str,
    theta: (&'static str, f64),
    d_head: usize,
) -> Result<Rotary, EngineError> {
    let scaling = config.section("rope_scaling")?;
    let rope = if scaling.is_empty() { config.section("rope_parameters")?.section(kind)? } else { scaling };
    Rotary::of_section(config, &rope, d_head, &RotaryUsual { theta, ..RotaryUsual::new(8192) })
}

/// The head that guesses masked words; one that sorts texts has the same layers before its classifier.
fn masked_lm(
    shape: &Shape,
    vocabulary: usize,
    config: &Config,
    words: &At<'_>,
    weights: &Weights,
) -> Result<Option<MaskedLm>, EngineError> {
    let (w, width) = (weights.at(""), shape.width);
    let own = w.at("decoder");
    if !(w.at("head").exists() || own.exists()) || w.at("classifier").exists() {
        return Ok(None);
    }
    let tied = config.get("tie_word_embeddings", true)? && !own.has("weight");
    let bias = config.get("decoder_bias", true)?.then(|| own.vector("bias", vocabulary)).transpose()?;
    Ok(Some(MaskedLm {
        dense: w.stacked(&[("head.dense", width)], width, config.get("classifier_bias", false)?)?,
        activation: config.activation("classifier_activation", "gelu")?,
        norm: w.at("head.norm").layer_norm_with(width, shape.eps, shape.norm_bias)?,
        decoder: if tied { words } else { &own }.linear_with(vocabulary, width, bias)?,
    }))
}

impl Block {
    fn load(
        shape: &Shape,
        is_local: bool,
        mask: Mask,
        has_attn_norm: bool,
        w: &At<'_>,
    ) -> Result<Block, EngineError> {
        let &Shape { width, heads, d_mlp, eps, norm_bias, attn_bias, mlp_bias, activation } = shape;
        let norm = |name: &str| w.at(name).layer_norm_with(width, eps, norm_bias);
        let full = AttentionRule::full((heads.d_head as f64).sqrt().recip(), heads.n_heads);
        Ok(Block {
            is_local,
            rule: AttentionRule { mask, ..full },
            heads,
            attn_norm: has_attn_norm.then(|| norm("attn_norm")).transpose()?,
            qkv: w.stacked(&[("attn.Wqkv", width.saturating_mul(3))], width, attn_bias)?,
            attn_out: w.stacked(&[("attn.Wo", width)], width, attn_bias)?,
            mlp_norm: norm("mlp_norm")?,
            mlp: GatedMlp {
                gate_up: w.stacked(&[("mlp.Wi", d_mlp.saturating_mul(2))], width, mlp_bias)?,
                activation,
                down: w.stacked(&[("mlp.Wo", width)], d_mlp, mlp_bias)?,
            },
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, turns: &[Turns; 2], pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let normed = self.attn_norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(&x, pass));
        let qkv = self.qkv.forward(&normed, pass); // [tokens, 3 · heads · d_head]
        let qkv = rotate(Some(&turns[usize::from(self.is_local)]), self.heads, qkv, pass);
        let [q, k, v] = self.heads.split(&qkv);
        let z = attend(&self.rule, q, k, v, pass); // [tokens, heads · d_head]
        let x = self.attn_out.add_to(&x, &z, Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let normed = self.mlp_norm.forward(&x, pass);
        let x = self.mlp.add_to(&x, &normed, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}

impl Network for ModernBert {
    fn limits(&self) -> Limits {
        let tokens = self.rotary.iter().map(|rotary| rotary.positions).min().unwrap_or_default();
        Limits { tokens, vocabulary: self.words.rows, segments: None }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        self.blocks
            .iter()
            .enumerate()
            .map(|(layer, block)| (Attn::block(layer), block.rule.clone()))
            .collect()
    }

    fn has_logits(&self) -> bool {
        self.masked_lm.is_some()
    }

    fn has_rotary(&self) -> bool {
        true
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let text = &input.text;
        let mut x = pass.zeros(&[text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::Embed, self.norm.forward(&x, pass));

        let turns = [0, 1].map(|kind| self.rotary[kind].turns(pass.compute, pass.positions(text.len())));
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &turns, pass);
        }

        let x = pass.tap(Point::LastHidden, self.final_norm.forward(&x, pass));
        if let Some(masked_lm) = self.masked_lm.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, masked_lm.forward(&x, pass));
        }
    }
}
