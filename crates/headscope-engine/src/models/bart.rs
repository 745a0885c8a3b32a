//! BART (arXiv 1910.13461): an encoder and a decoder as the first transformer had them. Positions are
//! learned, and each block normalises *after* it has added to the residual stream.

use std::ops::Range;

use headscope_trace::{AttentionRule, Attn, Encoding, Mask, Point, Stack, Tensor};

use super::two_stacks::{only_whole, rules, scores_vocabulary, tied};
use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::Activation;
use crate::nn::{CrossAttention, Embedding, HeadLayout, Linear, Mlp, Norm, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "bart",
    about: "BART and DistilBART: summaries, paraphrases",
    load: |config, weights| {
        let shape = Shape { start: Some(2), ..Shape::read(config, 50265)? };
        Ok(Box::new(Bart::load(&shape, config, weights)?))
    },
};

/// BART's layer norms all add this.
const EPS: f32 = 1e-5;

/// BART, or a relative that differs in positions and norms.
pub(super) struct Shape {
    /// Words that the encoder knows, that the decoder knows, and that are scored.
    pub vocabulary: [usize; 3],
    /// Whether both stacks look words up in one table.
    pub shares_words: bool,
    /// The factor of word vectors.
    pub scale: f64,
    /// Whether positions are waves where the file has no table of them; otherwise that is learned.
    pub sinusoidal: bool,
    /// Whether words and positions are normalised before the first block.
    pub embed_norm: bool,
    /// Whether blocks normalise what they read, and the last one is followed by a norm; otherwise
    /// they normalise what they give.
    pub norm_first: bool,
    /// The token that the decoder reads first.
    pub start: Option<u32>,
    pub width: usize,
    pub positions: usize,
    pub activation: Activation,
    pub encoder: Depth,
    pub decoder: Depth,
}

/// What may differ between the stacks.
pub(super) struct Depth {
    n_layers: usize,
    heads: HeadLayout,
    d_mlp: usize,
}

pub(super) struct Bart {
    encoder: Layers,
    decoder: Layers,
    start: Option<u32>,
    lm_head: Option<Linear>,
}

/// One of the stacks.
struct Layers {
    words: Embedding,
    scale: f64,
    positions: Positions,
    longest: usize,
    embed_norm: Option<Norm>,
    blocks: Vec<Block>,
    norm: Option<Norm>,
}

/// What is added to a word for its place.
enum Positions {
    /// A row of a table, from some row on.
    Table { table: Embedding, offset: usize },
    /// Sines, then cosines, of this many wavelengths in all.
    Waves { width: usize },
}

struct Block {
    norm_first: bool,
    attn: SelfAttention,
    attn_norm: Norm,
    cross: Option<(CrossAttention, Norm)>,
    mlp: Mlp,
    mlp_norm: Norm,
}

impl Shape {
    /// BART's shape, with what its relatives say in the same words.
    pub(super) fn read(config: &Config, usual_vocabulary: usize) -> Result<Shape, EngineError> {
        only_whole(config)?;
        let width = config.size_of(&["hidden_size", "d_model"], 1024)?;
        let vocabulary = config.size("vocab_size", usual_vocabulary)?;
        Ok(Shape {
            vocabulary: [vocabulary; 3],
            shares_words: true,
            scale: if config.get("scale_embedding", false)? { (width as f64).sqrt() } else { 1.0 },
            sinusoidal: false,
            embed_norm: true,
            norm_first: false,
            start: None,
            width,
            positions: config.size("max_position_embeddings", 1024)?,
            activation: config.activation("activation_function", "gelu")?,
            encoder: Depth::read(
                config,
                width,
                &["num_hidden_layers", "encoder_layers"],
                &["num_attention_heads", "encoder_attention_heads"],
                "encoder_ffn_dim",
            )?,
            decoder: Depth::read(
                config,
                width,
                &["decoder_layers"],
                &["decoder_attention_heads"],
                "decoder_ffn_dim",
            )?,
        })
    }

    fn depth(&self, stack: Stack) -> &Depth {
        if stack == Stack::Decoder { &self.decoder } else { &self.encoder }
    }
}

impl Depth {
    fn read(
        config: &Config,
        width: usize,
        layers: &[&str],
        heads: &[&str],
        mlp: &str,
    ) -> Result<Depth, EngineError> {
        let n_heads = config.size_of(heads, 16)?;
        if !width.is_multiple_of(n_heads) {
            let detail = format!("is {width}; expected a multiple of the {n_heads} heads");
            return Err(config.fault("d_model", detail));
        }
        let heads = HeadLayout { n_heads, n_key_heads: n_heads, d_head: width / n_heads };
        Ok(Depth { n_layers: config.size_of(layers, 12)?, heads, d_mlp: config.size(mlp, 4096)? })
    }
}

impl Bart {
    pub(super) fn load(shape: &Shape, config: &Config, weights: &Weights) -> Result<Bart, EngineError> {
        let w = weights.root("model");
        let (shared, lm_head) = (w.at("shared"), weights.at("lm_head"));
        let [encoder, decoder] = ["encoder", "decoder"].map(|stack| w.at(stack));
        let words = [&encoder, &decoder].map(|stack| stack.at("embed_tokens"));
        let [source, target] = &words;
        let is_tied = config.get("tie_word_embeddings", true)?;
        let [from_source, from_target, scored] = match (shape.shares_words, is_tied) {
            (true, true) => [
                tied(&[source, &shared, target, &lm_head]),
                tied(&[target, &shared, source, &lm_head]),
                tied(&[&lm_head, &shared, target, source]),
            ],
            (true, false) => [tied(&[source, &shared]), tied(&[target, &shared]), lm_head.clone()],
            (false, true) => [source.clone(), tied(&[target, &lm_head]), tied(&[&lm_head, target])],
            (false, false) => [source.clone(), target.clone(), lm_head.clone()],
        };
        let [n_source, n_target, n_scored] = shape.vocabulary;
        let bias = || match weights.at("").has("final_logits_bias") {
            true => weights.at("").values("final_logits_bias", &[1, n_scored]).map(Some),
            false => Ok(None),
        };
        Ok(Bart {
            encoder: Layers::load(
                shape,
                Stack::Encoder,
                from_source.embedding(n_source, shape.width)?,
                &encoder,
            )?,
            decoder: Layers::load(
                shape,
                Stack::Decoder,
                from_target.embedding(n_target, shape.width)?,
                &decoder,
            )?,
            start: shape.start,
            lm_head: scores_vocabulary(config, &lm_head)?
                .then(|| scored.linear_with(n_scored, shape.width, bias()?))
                .transpose()?,
        })
    }

    /// `[tokens, width]`: the text, as the decoder looks at it.
    fn encode(&self, text: &Encoding, pass: &mut Pass<'_>) -> Tensor {
        pass.enter_stack(Stack::Encoder);
        self.encoder.forward(text, None, pass)
    }

    /// The target, after which each of its tokens scores the next.
    fn decode(&self, target: &Encoding, encoded: &Tensor, pass: &mut Pass<'_>) {
        pass.enter_stack(Stack::Decoder);
        let x = self.decoder.forward(target, Some(encoded), pass);
        if let Some(lm_head) = self.lm_head.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, lm_head.forward(&pass.scored(&x), pass));
        }
    }
}

impl Layers {
    fn load(shape: &Shape, stack: Stack, words: Embedding, w: &At<'_>) -> Result<Layers, EngineError> {
        let width = shape.width;
        let norm =
            |name: &str, is_there: bool| is_there.then(|| w.at(name).layer_norm(width, EPS)).transpose();
        Ok(Layers {
            words,
            scale: shape.scale,
            positions: Positions::load(shape, &w.at("embed_positions"))?,
            longest: shape.positions,
            embed_norm: norm("layernorm_embedding", shape.embed_norm)?,
            blocks: (0..shape.depth(stack).n_layers)
                .map(|i| Block::load(shape, stack, &w.at("layers").at(i)))
                .collect::<Result<_, _>>()?,
            norm: norm("layer_norm", shape.norm_first)?,
        })
    }

    /// `[tokens, width]`
    fn forward(&self, text: &Encoding, encoded: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let mut x = pass.tap(Point::Embed, self.embed(text, pass));
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, encoded, pass);
        }
        let x = match &self.norm {
            Some(norm) => norm.forward(&x, pass),
            None => x,
        };
        pass.tap(Point::LastHidden, x)
    }

    fn embed(&self, text: &Encoding, pass: &Pass<'_>) -> Tensor {
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        if self.scale != 1.0 {
            let scaled = |value: f32| (f64::from(value) * self.scale) as f32;
            x.values_mut().iter_mut().for_each(|value| *value = scaled(*value));
        }
        self.positions.add_to(pass.positions(text.len()), x.values_mut());
        match &self.embed_norm {
            Some(norm) => norm.forward(&x, pass),
            None => x,
        }
    }

    fn limits(&self) -> Limits {
        Limits { tokens: self.longest, vocabulary: self.words.rows, segments: None }
    }
}

impl Positions {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Positions, EngineError> {
        let &Shape { width, positions, sinusoidal, .. } = shape;
        Ok(match (sinusoidal, w.has("weight")) {
            (true, false) => Positions::Waves { width },
            (true, true) => Positions::Table { table: w.embedding(positions, width)?, offset: 0 },
            // The first two rows were meant for padding.
            (false, _) => {
                Positions::Table { table: w.embedding(positions.saturating_add(2), width)?, offset: 2 }
            }
        })
    }

    /// Adds the vectors of some positions to `out`, `[positions, width]`.
    fn add_to(&self, positions: Range<usize>, out: &mut [f32]) {
        match self {
            Positions::Table { table, offset } => {
                table.add_rows(positions.start + offset..positions.end + offset, out);
            }
            Positions::Waves { width } => {
                for (position, out) in positions.zip(out.chunks_exact_mut(*width)) {
                    out.iter_mut().enumerate().for_each(|(i, out)| *out += wave(position, i, *width));
                }
            }
        }
    }
}

/// Dimension `i` of a position's vector (arXiv 1706.03762): the sines of all wavelengths come first.
fn wave(position: usize, i: usize, width: usize) -> f32 {
    let sines = width.div_ceil(2);
    let pair = if i < sines { i } else { i - sines };
    let angle = position as f64 / 10_000f64.powf((2 * pair) as f64 / width as f64);
    if i < sines { angle.sin() as f32 } else { angle.cos() as f32 }
}

impl Block {
    fn load(shape: &Shape, stack: Stack, w: &At<'_>) -> Result<Block, EngineError> {
        let &Shape { width, activation, norm_first, .. } = shape;
        let &Depth { heads, d_mlp, .. } = shape.depth(stack);
        let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|name| (name, width));
        let rule = AttentionRule::full((heads.d_head as f64).sqrt().recip(), heads.n_heads);
        let norm = |name: &str| w.at(name).layer_norm(width, EPS);
        let is_decoder = stack == Stack::Decoder;
        let cross = || -> Result<_, EngineError> {
            let attn = w.at("encoder_attn");
            let cross = CrossAttention {
                rule: rule.clone(),
                d_head: heads.d_head,
                q: attn.stacked(&[q], width, true)?,
                kv: attn.stacked(&[k, v], width, true)?,
                out: attn.stacked(&[("out_proj", width)], width, true)?,
            };
            Ok((cross, norm("encoder_attn_layer_norm")?))
        };
        let attn = w.at("self_attn");
        Ok(Block {
            norm_first,
            attn: SelfAttention {
                rule: AttentionRule {
                    mask: if is_decoder { Mask::Causal } else { Mask::Full },
                    ..rule.clone()
                },
                heads,
                qk_norm: None,
                rotary: Rotation::Absent,
                qkv: attn.stacked(&[q, k, v], width, true)?,
                out: attn.stacked(&[("out_proj", width)], width, true)?,
            },
            attn_norm: norm("self_attn_layer_norm")?,
            cross: is_decoder.then(cross).transpose()?,
            mlp: Mlp {
                up: w.stacked(&[("fc1", d_mlp)], width, true)?,
                activation,
                down: w.stacked(&[("fc2", width)], d_mlp, true)?,
            },
            mlp_norm: norm("final_layer_norm")?,
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, encoded: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let mut x = self.attn.add_to(&x, &self.before(&self.attn_norm, &x, pass), &[], pass);
        let mut norm = &self.attn_norm;
        if let Some(((cross, cross_norm), encoded)) = self.cross.as_ref().zip(encoded) {
            x = self.after(norm, x, pass);
            x = cross.add_to(&x, &self.before(cross_norm, &x, pass), encoded, pass);
            norm = cross_norm;
        }
        let x = pass.tap(Point::ResidMid, x);
        let x = self.after(norm, x, pass);
        let x = self.mlp.add_to(&x, &self.before(&self.mlp_norm, &x, pass), Point::MlpOut, pass);
        let x = pass.tap(Point::ResidPost, x);
        self.after(&self.mlp_norm, x, pass)
    }

    /// What a part of the block reads of the residual stream.
    fn before(&self, norm: &Norm, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        if self.norm_first { norm.forward(x, pass) } else { x.clone() }
    }

    /// What becomes of the residual stream that a part of the block has added to.
    fn after(&self, norm: &Norm, x: Tensor, pass: &Pass<'_>) -> Tensor {
        if self.norm_first { x } else { norm.forward(&x, pass) }
    }

    /// How a decoder's tokens attend to each other, and to the encoder's.
    fn crossing(&self) -> Option<[&AttentionRule; 2]> {
        Some([&self.attn.rule, &self.cross.as_ref()?.0.rule])
    }
}

impl Network for Bart {
    fn limits(&self) -> Limits {
        self.encoder.limits()
    }

    fn target_limits(&self) -> Option<Limits> {
        Some(self.decoder.limits())
    }

    fn decoder_start(&self) -> Option<u32> {
        self.start
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        rules(
            self.encoder.blocks.iter().map(|block| &block.attn.rule),
            self.decoder.blocks.iter().filter_map(Block::crossing),
        )
    }

    fn has_logits(&self) -> bool {
        self.lm_head.is_some()
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let encoded = pass.encoded(|pass| self.encode(&input.text, pass));
        if let Some(target) = &input.target {
            self.decode(target, &encoded, pass);
        }
    }
}
