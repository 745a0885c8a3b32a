//! Llama (arXiv 2302.13971): a decoder that reads from left to right. Each block normalises *before* it
//! attends and before its gated MLP; positions are turns of queries and keys, which several heads share.

use headscope_trace::{AttentionRule, Attn, Encoding, Mask, Point, Tensor};

use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::{Activation, Turns};
use crate::nn::{Embedding, GatedMlp, HeadLayout, Linear, RmsNorm, Rotary, attend, rotate};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "llama",
    about: "Llama 1 to 3 and what shares their layout: SmolLM, TinyLlama, Yi",
    load: |config, weights| Ok(Box::new(Llama::load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    attention_bias: bool,
    mlp_bias: bool,
}

struct Llama {
    words: Embedding,
    rotary: Rotary,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<Linear>,
    rule: AttentionRule,
}

struct Block {
    heads: HeadLayout,
    attn_norm: RmsNorm,
    qkv: Linear,
    attn_out: Linear,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
}

impl Llama {
    fn load(config: &Config, weights: &Weights) -> Result<Llama, EngineError> {
        config.only("pretraining_tp", 1)?;
        let shape = Shape::read(config)?;
        let HeadLayout { n_heads, n_key_heads, d_head } = shape.heads;
        let vocabulary = config.size("vocab_size", 32000)?;

        let w = weights.root("model");
        let words = w.at("embed_tokens");
        let layers = 0..config.size("num_hidden_layers", 32)?;
        Ok(Llama {
            words: words.embedding(vocabulary, shape.width)?,
            rotary: Rotary::read(config, d_head, 2048)?,
            blocks: layers.map(|i| Block::load(&shape, &w.at("layers").at(i))).collect::<Result<_, _>>()?,
            norm: w.at("norm").rms_norm(shape.width, shape.eps)?,
            lm_head: lm_head(config, weights, &words, vocabulary, shape.width)?,
            rule: AttentionRule {
                mask: Mask::Causal,
                key_heads: n_key_heads,
                ..AttentionRule::full((d_head as f64).sqrt().recip(), n_heads)
            },
        })
    }
}

impl Shape {
    fn read(config: &Config) -> Result<Shape, EngineError> {
        let (width, n_heads) = (config.size("hidden_size", 4096)?, config.size("num_attention_heads", 32)?);
        let n_key_heads = config.size("num_key_value_heads", n_heads)?;
        if n_heads % n_key_heads != 0 {
            let detail = format!("is {n_key_heads}; expected a divisor of the {n_heads} heads");
            return Err(config.fault("num_key_value_heads", detail));
        }
        let d_head = match config.given::<usize>("head_dim")? {
            None if width % n_heads != 0 => {
                let detail = format!("is {width}; expected a multiple of the {n_heads} heads, or a head_dim");
                return Err(config.fault("hidden_size", detail));
            }
            None => width / n_heads,
            Some(_) => config.size("head_dim", 0)?,
        };
        Ok(Shape {
            width,
            heads: HeadLayout { n_heads, n_key_heads, d_head },
            d_mlp: config.size("intermediate_size", 11008)?,
            eps: config.eps("rms_norm_eps", 1e-6)?,
            activation: config.activation("hidden_act", "silu")?,
            attention_bias: config.get("attention_bias", false)?,
            mlp_bias: config.get("mlp_bias", false)?,
        })
    }
}

impl Block {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Block, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, attention_bias, mlp_bias } = shape;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (query_width, key_width) = (heads.n_heads * heads.d_head, heads.n_key_heads * heads.d_head);
        let qkv = [("q_proj", query_width), ("k_proj", key_width), ("v_proj", key_width)];
        let gate_up = [("gate_proj", d_mlp), ("up_proj", d_mlp)];
        Ok(Block {
            heads,
            attn_norm: w.at("input_layernorm").rms_norm(width, eps)?,
            qkv: attn.stacked(&qkv, width, attention_bias)?,
            attn_out: attn.stacked(&[("o_proj", width)], query_width, attention_bias)?,
            mlp_norm: w.at("post_attention_layernorm").rms_norm(width, eps)?,
            mlp: GatedMlp {
                gate_up: mlp.stacked(&gate_up, width, mlp_bias)?,
                activation,
                down: mlp.stacked(&[("down_proj", width)], d_mlp, mlp_bias)?,
            },
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, turns: &Turns, rule: &AttentionRule, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let qkv = self.qkv.forward(&self.attn_norm.forward(&x, pass), pass); // [tokens, (heads + 2 key heads) · d_head]
        let qkv = rotate(turns, self.heads, qkv, pass);
        let [q, k, v] = self.heads.split(&qkv);
        let z = attend(rule, q, k, v, pass); // [tokens, heads · d_head]
        let x = self.attn_out.add_to(&x, &z, Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let normed = self.mlp_norm.forward(&x, pass);
        let x = self.mlp.add_to(&x, &normed, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}

/// Scores over the vocabulary, if the checkpoint is of a language model: from a matrix of their own, or,
/// tied, the table of words.
fn lm_head(
    config: &Config,
    weights: &Weights,
    words: &At<'_>,
    vocabulary: usize,
    width: usize,
) -> Result<Option<Linear>, EngineError> {
    let own = weights.at("lm_head");
    let classes = config.get("architectures", Vec::<String>::new())?;
    let named = classes.iter().any(|class| class.ends_with("ForCausalLM"));
    let tied = config.get("tie_word_embeddings", false)?;
    match own.has("weight") {
        true => own.linear(vocabulary, width).map(Some),
        false if named => (if tied { words } else { &own }).linear(vocabulary, width).map(Some),
        false => Ok(None),
    }
}

impl Network for Llama {
    fn limits(&self) -> Limits {
        Limits { tokens: self.rotary.positions, vocabulary: self.words.rows, segments: None }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        (0..self.blocks.len()).map(|layer| (Attn::block(layer), self.rule.clone())).collect()
    }

    fn has_logits(&self) -> bool {
        self.lm_head.is_some()
    }

    fn has_rotary(&self) -> bool {
        true
    }

    fn forward(&self, text: &Encoding, pass: &mut Pass<'_>) {
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::Embed, x);

        let turns = self.rotary.turns(pass.compute, text.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &turns, &self.rule, pass);
        }

        let x = pass.tap(Point::LastHidden, self.norm.forward(&x, pass));
        if let Some(lm_head) = self.lm_head.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, lm_head.forward(&x, pass));
        }
    }
}
