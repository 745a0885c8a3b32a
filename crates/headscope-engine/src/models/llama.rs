//! Llama (arXiv 2302.13971): a decoder that reads from left to right. Each block normalises *before* it
//! attends and before its gated MLP; positions are turns of queries and keys, which several heads share.

use headscope_trace::{AttentionRule, Attn, Mask, Point, Tensor};

use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::{Activation, Turns};
use crate::nn::{Embedding, GatedMlp, HeadLayout, Linear, RmsNorm, Rotary, attend, rotate};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "llama",
    about: "Llama 1 to 3 and what shares their layout: SmolLM, TinyLlama, Yi",
    load: |config, weights| {
        config.only("pretraining_tp", 1)?;
        let bias = config.get("attention_bias", false)?;
        let mlp_bias = config.get("mlp_bias", false)?;
        let usual =
            Usual { vocabulary: 32000, n_key_heads: None, d_head: None, d_mlp: 11008, positions: 2048 };
        let shape = Shape { qkv_bias: bias, out_bias: bias, mlp_bias, ..Shape::read(config, &usual)? };
        Ok(Box::new(Llama::load(&shape, config, weights)?))
    },
};

/// What a configuration means that does not say it: where relatives differ.
pub(super) struct Usual {
    pub vocabulary: usize,
    pub n_key_heads: Option<usize>,
    pub d_head: Option<usize>,
    pub d_mlp: usize,
    pub positions: usize,
}

/// Llama, or a relative that differs in what its layers see, where there are biases, or norms.
pub(super) struct Shape {
    pub vocabulary: usize,
    pub width: usize,
    pub heads: HeadLayout,
    pub d_mlp: usize,
    pub eps: f32,
    pub activation: Activation,
    pub positions: usize,
    pub n_layers: usize,
    /// What the queries of a layer see.
    pub mask: Box<dyn Fn(usize) -> Mask>,
    pub qkv_bias: bool,
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// Whether queries and keys are normalised, head by head, before they are turned.
    pub qk_norm: bool,
}

pub(super) struct Llama {
    words: Embedding,
    rotary: Rotary,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<Linear>,
}

struct Block {
    rule: AttentionRule,
    heads: HeadLayout,
    attn_norm: RmsNorm,
    qkv: Linear,
    qk_norm: Option<[RmsNorm; 2]>,
    attn_out: Linear,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
}

impl Shape {
    /// Llama's shape: every layer sees all tokens before, no biases, no norms of queries and keys.
    pub(super) fn read(config: &Config, usual: &Usual) -> Result<Shape, EngineError> {
        let (width, n_heads) = (config.size("hidden_size", 4096)?, config.size("num_attention_heads", 32)?);
        let n_key_heads = match config.is_null("num_key_value_heads") {
            true => n_heads,
            false => config.size("num_key_value_heads", usual.n_key_heads.unwrap_or(n_heads))?,
        };
        if n_heads % n_key_heads != 0 {
            let detail = format!("is {n_key_heads}; expected a divisor of the {n_heads} heads");
            return Err(config.fault("num_key_value_heads", detail));
        }
        let d_head = match config.given::<usize>("head_dim")?.or(usual.d_head) {
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
        Ok(Shape {
            vocabulary: config.size("vocab_size", usual.vocabulary)?,
            width,
            heads: HeadLayout { n_heads, n_key_heads, d_head },
            d_mlp: config.size("intermediate_size", usual.d_mlp)?,
            eps: config.eps("rms_norm_eps", 1e-6)?,
            activation: config.activation("hidden_act", "silu")?,
            positions: usual.positions,
            n_layers: config.size("num_hidden_layers", 32)?,
            mask: Box::new(|_| Mask::Causal),
            qkv_bias: false,
            out_bias: false,
            mlp_bias: false,
            qk_norm: false,
        })
    }
}

impl Llama {
    pub(super) fn load(shape: &Shape, config: &Config, weights: &Weights) -> Result<Llama, EngineError> {
        let w = weights.root("model");
        let words = w.at("embed_tokens");
        Ok(Llama {
            words: words.embedding(shape.vocabulary, shape.width)?,
            rotary: Rotary::read(config, shape.heads.d_head, shape.positions)?,
            blocks: (0..shape.n_layers)
                .map(|i| Block::load(shape, (shape.mask)(i), &w.at("layers").at(i)))
                .collect::<Result<_, _>>()?,
            norm: w.at("norm").rms_norm(shape.width, shape.eps)?,
            lm_head: lm_head(shape, config, &words, &weights.at("lm_head"))?,
        })
    }
}

impl Block {
    fn load(shape: &Shape, mask: Mask, w: &At<'_>) -> Result<Block, EngineError> {
        let &Shape { width, heads, d_mlp, eps, activation, .. } = shape;
        let HeadLayout { n_heads, n_key_heads, d_head } = heads;
        let (attn, mlp) = (w.at("self_attn"), w.at("mlp"));
        let (query_width, key_width) = (n_heads * d_head, n_key_heads * d_head);
        let qkv = [("q_proj", query_width), ("k_proj", key_width), ("v_proj", key_width)];
        let gate_up = [("gate_proj", d_mlp), ("up_proj", d_mlp)];
        let full = AttentionRule::full((d_head as f64).sqrt().recip(), n_heads);
        let qk_norm = || -> Result<_, EngineError> {
            Ok([attn.at("q_norm").rms_norm(d_head, eps)?, attn.at("k_norm").rms_norm(d_head, eps)?])
        };
        Ok(Block {
            rule: AttentionRule { mask, key_heads: n_key_heads, ..full },
            heads,
            attn_norm: w.at("input_layernorm").rms_norm(width, eps)?,
            qkv: attn.stacked(&qkv, width, shape.qkv_bias)?,
            qk_norm: shape.qk_norm.then(qk_norm).transpose()?,
            attn_out: attn.stacked(&[("o_proj", width)], query_width, shape.out_bias)?,
            mlp_norm: w.at("post_attention_layernorm").rms_norm(width, eps)?,
            mlp: GatedMlp {
                gate_up: mlp.stacked(&gate_up, width, shape.mlp_bias)?,
                activation,
                down: mlp.stacked(&[("down_proj", width)], d_mlp, shape.mlp_bias)?,
            },
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, turns: &Turns, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let mut qkv = self.qkv.forward(&self.attn_norm.forward(&x, pass), pass); // [tokens, (heads + 2 key heads) · d_head]
        if let Some([q_norm, k_norm]) = &self.qk_norm {
            q_norm.forward_heads(&mut qkv, 0..self.heads.n_heads, pass);
            k_norm.forward_heads(&mut qkv, self.heads.key_range(), pass);
        }
        let qkv = rotate(turns, self.heads, qkv, pass);
        let [q, k, v] = self.heads.split(&qkv);
        let z = attend(&self.rule, q, k, v, pass); // [tokens, heads · d_head]
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
    shape: &Shape,
    config: &Config,
    words: &At<'_>,
    own: &At<'_>,
) -> Result<Option<Linear>, EngineError> {
    let classes = config.get("architectures", Vec::<String>::new())?;
    let named = classes.iter().any(|class| class.ends_with("ForCausalLM"));
    let tied = config.get("tie_word_embeddings", false)?;
    let from = if tied && !own.has("weight") { words } else { own };
    (named || own.has("weight")).then(|| from.linear(shape.vocabulary, shape.width)).transpose()
}

impl Network for Llama {
    fn limits(&self) -> Limits {
        Limits { tokens: self.rotary.positions, vocabulary: self.words.rows, segments: None }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        self.blocks
            .iter()
            .enumerate()
            .map(|(layer, block)| (Attn::block(layer), block.rule.clone()))
            .collect()
    }

    fn has_logits(&self) -> bool {
        self.lm_head.is_some()
    }

    fn has_rotary(&self) -> bool {
        true
    }

    fn can_continue(&self, tokens: usize) -> bool {
        self.rotary.is_steady(tokens)
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let text = &input.text;
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::Embed, x);

        let turns = self.rotary.turns(pass.compute, pass.positions(text.len()));
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &turns, pass);
        }

        let x = pass.tap(Point::LastHidden, self.norm.forward(&x, pass));
        if let Some(lm_head) = self.lm_head.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, lm_head.forward(&pass.scored(&x), pass));
        }
    }
}
