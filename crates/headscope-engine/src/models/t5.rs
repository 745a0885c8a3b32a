//! T5 (arXiv 1910.10683): an encoder and a decoder that know distances, not positions. A learned number
//! for each range of distances is added to scores that nothing scales; the layers of a stack share them.

use headscope_trace::{AttentionRule, Attn, Encoding, Mask, Point, Position, Stack, Tensor};

use super::two_stacks::{only_whole, rules, scores_vocabulary, tied};
use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::Activation;
use crate::nn;
use crate::nn::{CrossAttention, Embedding, GatedMlp, HeadLayout, Linear, RmsNorm, Rotation, SelfAttention};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "t5",
    about: "T5 and Flan-T5: an encoder, and a decoder that looks at it",
    load: |config, weights| {
        let usual = Usual {
            vocabulary: 32128,
            d_mlp: 2048,
            n_layers: 6,
            n_heads: 8,
            mlp: "relu",
            // T5 1.1, whose configurations say that nothing is tied, does not scale.
            scales_logits: config.get("scale_decoder_outputs", config.get("tie_word_embeddings", true)?)?,
        };
        Ok(Box::new(T5::load(&usual, config, weights)?))
    },
};

/// There is no longest text; but a longer one than this is a mistake.
const TOKENS: usize = 1 << 17;

/// What a configuration means that does not say it: where relatives differ.
pub(super) struct Usual {
    pub vocabulary: usize,
    pub d_mlp: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub mlp: &'static str,
    /// Whether what the decoder ends in is divided by the root of the width before it is scored.
    pub scales_logits: bool,
}

struct Shape {
    vocabulary: usize,
    width: usize,
    heads: HeadLayout,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
    is_gated: bool,
    n_buckets: usize,
    max_distance: usize,
}

pub(super) struct T5 {
    encoder: Layers,
    decoder: Layers,
    start: Option<u32>,
    lm_head: Option<Linear>,
    /// What the last hidden state is multiplied with before it is scored.
    logits_scale: f32,
}

/// One of the stacks.
struct Layers {
    words: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
}

struct Block {
    attn_norm: RmsNorm,
    attn: SelfAttention,
    cross: Option<(RmsNorm, CrossAttention)>,
    mlp_norm: RmsNorm,
    mlp: Mlp,
}

enum Mlp {
    Plain(nn::Mlp),
    Gated(GatedMlp),
}

impl Shape {
    fn read(config: &Config, usual: &Usual) -> Result<Shape, EngineError> {
        let n_heads = config.size_of(&["num_attention_heads", "num_heads"], usual.n_heads)?;
        let d_head = config.size_of(&["head_dim", "d_kv"], 64)?;
        if n_heads.checked_mul(d_head).is_none_or(|columns| columns > usize::MAX / 3) {
            return Err(config.fault("num_heads", format!("is {n_heads}; expected fewer")));
        }
        let n_buckets = config.size("relative_attention_num_buckets", 32)?;
        let max_distance = config.size("relative_attention_max_distance", 128)?;
        if n_buckets < 4 {
            let detail = format!("is {n_buckets}; expected at least 4");
            return Err(config.fault("relative_attention_num_buckets", detail));
        }
        if max_distance <= n_buckets / 2 {
            let detail = format!("is {max_distance}; expected more than half of the {n_buckets} buckets");
            return Err(config.fault("relative_attention_max_distance", detail));
        }
        let (is_gated, activation) = mlp_of(config, usual.mlp)?;
        Ok(Shape {
            vocabulary: config.size("vocab_size", usual.vocabulary)?,
            width: config.size_of(&["hidden_size", "d_model"], 512)?,
            heads: HeadLayout { n_heads, n_key_heads: n_heads, d_head },
            d_mlp: config.size("d_ff", usual.d_mlp)?,
            eps: config.eps("layer_norm_epsilon", 1e-6)?,
            activation,
            is_gated,
            n_buckets,
            max_distance,
        })
    }

    /// Scores are not scaled; in training the initial weights were.
    fn rule(&self, stack: Stack, table: Vec<Vec<f32>>) -> AttentionRule {
        let is_decoder = stack == Stack::Decoder;
        AttentionRule {
            mask: if is_decoder { Mask::Causal } else { Mask::Full },
            position: Some(Position::Buckets {
                table,
                max_distance: self.max_distance,
                two_sided: !is_decoder,
            }),
            ..AttentionRule::full(1.0, self.heads.n_heads)
        }
    }
}

/// Whether there is a gate, and what it or the hidden layer passes through: `relu`, `gated-gelu`, `gated-silu`.
fn mlp_of(config: &Config, usual: &str) -> Result<(bool, Activation), EngineError> {
    const KEY: &str = "feed_forward_proj";
    let kind = config.get(KEY, usual.to_owned())?;
    let (is_gated, name) = match kind.split_once('-') {
        None => (false, kind.as_str()),
        Some(("gated", "gelu")) => (true, "gelu_new"), // as T5 1.1 was trained
        Some(("gated", name)) => (true, name),
        Some(_) => {
            let detail = format!("is {kind:?}; expected an activation, or gated- and an activation");
            return Err(config.fault(KEY, detail));
        }
    };
    // Saved beside it, where these have been set on their own.
    let name = config.get("dense_act_fn", name.to_owned())?;
    let key = if config.given::<String>("dense_act_fn")?.is_some() { "dense_act_fn" } else { KEY };
    Ok((config.get("is_gated_act", is_gated)?, config.activation_called(&name, key)?))
}

impl T5 {
    pub(super) fn load(usual: &Usual, config: &Config, weights: &Weights) -> Result<T5, EngineError> {
        only_whole(config)?;
        let shape = Shape::read(config, usual)?;
        let n_layers = config.size_of(&["num_hidden_layers", "num_layers"], usual.n_layers)?;
        let w = weights.root("transformer");
        let (shared, lm_head) = (w.at("shared"), weights.at("lm_head"));
        let [encoder, decoder] = ["encoder", "decoder"].map(|stack| w.at(stack));
        let words = [&encoder, &decoder].map(|stack| stack.at("embed_tokens"));
        let [source, target] = &words;
        // What `tie_word_embeddings` says tells T5 from T5 1.1, no more: what is not stored is tied.
        let scored = tied(&[&lm_head, &shared, source, target]);
        Ok(T5 {
            lm_head: scores_vocabulary(config, &lm_head)?
                .then(|| scored.linear_with(shape.vocabulary, shape.width, None))
                .transpose()?,
            encoder: Layers::load(
                &shape,
                Stack::Encoder,
                n_layers,
                &tied(&[source, &shared, target, &lm_head]),
                &encoder,
            )?,
            decoder: Layers::load(
                &shape,
                Stack::Decoder,
                config.size("num_decoder_layers", n_layers)?,
                &tied(&[target, &shared, source, &lm_head]),
                &decoder,
            )?,
            start: config.given("pad_token_id")?.or(Some(0)), // which it was trained to begin with
            logits_scale: if usual.scales_logits { (shape.width as f64).sqrt().recip() as f32 } else { 1.0 },
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
            let mut x = pass.scored(&x);
            x.values_mut().iter_mut().for_each(|value| *value *= self.logits_scale);
            pass.tap(Point::Logits, lm_head.forward(&x, pass));
        }
    }
}

impl Layers {
    fn load(
        shape: &Shape,
        stack: Stack,
        n_layers: usize,
        words: &At<'_>,
        w: &At<'_>,
    ) -> Result<Layers, EngineError> {
        let first = w.at("block.0.layer.0.SelfAttention.relative_attention_bias");
        let rule = shape.rule(stack, first.table(shape.n_buckets, shape.heads.n_heads)?);
        Ok(Layers {
            words: words.embedding(shape.vocabulary, shape.width)?,
            blocks: (0..n_layers)
                .map(|i| Block::load(shape, &rule, stack, &w.at("block").at(i).at("layer")))
                .collect::<Result<_, _>>()?,
            norm: w.at("final_layer_norm").rms_norm(shape.width, shape.eps)?,
        })
    }

    /// `[tokens, width]`
    fn forward(&self, text: &Encoding, encoded: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::Embed, x);
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, encoded, pass);
        }
        pass.tap(Point::LastHidden, self.norm.forward(&x, pass))
    }
}

impl Block {
    fn load(shape: &Shape, rule: &AttentionRule, stack: Stack, w: &At<'_>) -> Result<Block, EngineError> {
        let (width, eps) = (shape.width, shape.eps);
        let HeadLayout { n_heads, d_head, .. } = shape.heads;
        let inner = n_heads * d_head;
        let [q, k, v] = ["q", "k", "v"].map(|name| (name, inner));
        let out = [("o", width)];
        let attn = w.at("0.SelfAttention");
        let cross = || -> Result<_, EngineError> {
            let attn = w.at("1.EncDecAttention");
            let cross = CrossAttention {
                rule: AttentionRule::full(1.0, n_heads),
                d_head,
                q: attn.stacked(&[q], width, false)?,
                kv: attn.stacked(&[k, v], width, false)?,
                out: attn.stacked(&out, inner, false)?,
            };
            Ok((w.at("1.layer_norm").rms_norm(width, eps)?, cross))
        };
        let is_decoder = stack == Stack::Decoder;
        let mlp = w.at(if is_decoder { 2 } else { 1 });
        Ok(Block {
            attn_norm: w.at("0.layer_norm").rms_norm(width, eps)?,
            attn: SelfAttention {
                rule: rule.clone(),
                heads: shape.heads,
                qk_norm: None,
                rotary: Rotation::Absent,
                qkv: attn.stacked(&[q, k, v], width, false)?,
                out: attn.stacked(&out, inner, false)?,
            },
            cross: is_decoder.then(cross).transpose()?,
            mlp_norm: mlp.at("layer_norm").rms_norm(width, eps)?,
            mlp: Mlp::load(shape, &mlp.at("DenseReluDense"))?,
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, encoded: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let mut x = self.attn.add_to(&x, &self.attn_norm.forward(&x, pass), &[], pass);
        if let Some(((norm, cross), encoded)) = self.cross.as_ref().zip(encoded) {
            x = cross.add_to(&x, &norm.forward(&x, pass), encoded, pass);
        }
        let x = pass.tap(Point::ResidMid, x);
        let x = self.mlp.add_to(&x, &self.mlp_norm.forward(&x, pass), pass);
        pass.tap(Point::ResidPost, x)
    }
}

impl Block {
    /// How a decoder's tokens attend to each other, and to the encoder's.
    fn crossing(&self) -> Option<[&AttentionRule; 2]> {
        Some([&self.attn.rule, &self.cross.as_ref()?.1.rule])
    }
}

impl Mlp {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Mlp, EngineError> {
        let &Shape { width, d_mlp, activation, .. } = shape;
        let down = w.stacked(&[("wo", width)], d_mlp, false)?;
        Ok(match shape.is_gated {
            false => Mlp::Plain(nn::Mlp { up: w.stacked(&[("wi", d_mlp)], width, false)?, activation, down }),
            true => Mlp::Gated(GatedMlp {
                gate_up: w.stacked(&[("wi_0", d_mlp), ("wi_1", d_mlp)], width, false)?,
                activation,
                down,
            }),
        })
    }

    fn add_to(&self, residual: &Tensor, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        match self {
            Mlp::Plain(mlp) => mlp.add_to(residual, x, Point::MlpOut, pass),
            Mlp::Gated(mlp) => mlp.add_to(residual, x, Point::MlpOut, pass),
        }
    }
}

impl Network for T5 {
    fn limits(&self) -> Limits {
        Limits { tokens: TOKENS, vocabulary: self.encoder.words.rows, segments: None }
    }

    fn target_limits(&self) -> Option<Limits> {
        Some(Limits { tokens: TOKENS, vocabulary: self.decoder.words.rows, segments: None })
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
