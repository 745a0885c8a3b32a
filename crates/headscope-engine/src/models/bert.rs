//! BERT (arXiv 1810.04805): an encoder that reads both ways. Learned positions and segments are
//! added to the words, and each block normalises *after* it has added to the residual stream.

use headscope_trace::{AttentionRule, Attn, Point, Tensor};

use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::Activation;
use crate::nn::{Embedding, Linear, Norm, Projection, attend};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "bert",
    about: "BERT and what shares its layout: gte, e5, bge, MiniLM",
    load: |config, weights| Ok(Box::new(Bert::load(config, weights)?)),
};

struct Shape {
    width: usize,
    heads: usize,
    d_head: usize,
    d_mlp: usize,
    eps: f32,
    activation: Activation,
}

struct Bert {
    words: Embedding,
    positions: Embedding,
    segments: Embedding,
    norm: Norm,
    blocks: Vec<Block>,
    masked_lm: Option<MaskedLm>,
    rule: AttentionRule,
}

struct Block {
    shape: (usize, usize), // heads, d_head
    qkv: Linear,
    attn_out: Linear,
    attn_norm: Norm,
    mlp_in: Linear,
    activation: Activation,
    mlp_out: Linear,
    mlp_norm: Norm,
}

/// The head that guesses masked words.
struct MaskedLm {
    transform: Linear,
    activation: Activation,
    norm: Norm,
    decoder: Linear,
}

impl Bert {
    fn load(config: &Config, weights: &Weights) -> Result<Bert, EngineError> {
        config.only("position_embedding_type", "absolute")?;
        config.only("is_decoder", false)?;
        config.only("add_cross_attention", false)?;
        let (width, heads) = (config.size("hidden_size", 768)?, config.size("num_attention_heads", 12)?);
        if width % heads != 0 {
            return Err(
                config.fault("hidden_size", format!("is {width}; expected a multiple of the {heads} heads"))
            );
        }
        let shape = Shape {
            width,
            heads,
            d_head: width / heads,
            d_mlp: config.size("intermediate_size", 3072)?,
            eps: config.eps("layer_norm_eps", 1e-12)?,
            activation: config.activation("hidden_act", "gelu")?,
        };
        let vocabulary = config.size("vocab_size", 30522)?;
        let positions = config.size("max_position_embeddings", 512)?;
        let segments = config.size("type_vocab_size", 2)?;

        let w = weights.root("bert");
        let embeddings = w.at("embeddings");
        let layers = 0..config.size("num_hidden_layers", 12)?;
        let masked_lm = weights.at("cls.predictions");
        let tied = config.get("tie_word_embeddings", true)?;
        Ok(Bert {
            words: embeddings.at("word_embeddings").embedding(vocabulary, width)?,
            positions: embeddings.at("position_embeddings").embedding(positions, width)?,
            segments: embeddings.at("token_type_embeddings").embedding(segments, width)?,
            norm: embeddings.at("LayerNorm").layer_norm(width, shape.eps)?,
            blocks: layers
                .map(|i| Block::load(&shape, &w.at("encoder.layer").at(i)))
                .collect::<Result<_, _>>()?,
            masked_lm: match masked_lm.has("transform.dense.weight") {
                true => Some(MaskedLm::load(
                    &shape,
                    vocabulary,
                    tied,
                    &embeddings.at("word_embeddings"),
                    &masked_lm,
                )?),
                false => None,
            },
            rule: AttentionRule::full((shape.d_head as f64).sqrt().recip(), heads),
        })
    }
}

impl Block {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Block, EngineError> {
        let &Shape { width, heads, d_head, d_mlp, eps, activation } = shape;
        let attn = w.at("attention");
        let qkv = ["query", "key", "value"].map(|name| (name, width));
        Ok(Block {
            shape: (heads, d_head),
            qkv: attn.at("self").stacked(&qkv, width, true)?,
            attn_out: attn.at("output.dense").linear(width, width)?,
            attn_norm: attn.at("output.LayerNorm").layer_norm(width, eps)?,
            mlp_in: w.at("intermediate.dense").linear(d_mlp, width)?,
            activation,
            mlp_out: w.at("output.dense").linear(width, d_mlp)?,
            mlp_norm: w.at("output.LayerNorm").layer_norm(width, eps)?,
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, rule: &AttentionRule, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let qkv = self.qkv.forward(&x, pass); // [tokens, 3 · heads · d_head]
        let (n_heads, d_head) = self.shape;
        let part = |i| Projection { from: &qkv, start: i * n_heads * d_head, n_heads, d_head };
        let z = attend(rule, part(0), part(1), part(2), pass); // [tokens, heads · d_head]
        let x = self.attn_out.add_to(&x, &z, Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let x = self.attn_norm.forward(&x, pass);
        let hidden = self.mlp_in.activate(&x, self.activation, pass); // [tokens, d_mlp]
        let x = self.mlp_out.add_to(&x, &hidden, Point::MlpOut, pass);
        let x = pass.tap(Point::ResidPost, x);
        self.mlp_norm.forward(&x, pass)
    }
}

impl MaskedLm {
    fn load(
        shape: &Shape,
        vocabulary: usize,
        tied: bool,
        words: &At<'_>,
        w: &At<'_>,
    ) -> Result<MaskedLm, EngineError> {
        // Tied, the decoder is the table of words itself, with a bias that belongs to the head.
        let own = w.at("decoder");
        let (decoder, bias) = if tied { (words, w) } else { (&own, &own) };
        let bias = bias.vector("bias", vocabulary)?;
        Ok(MaskedLm {
            transform: w.at("transform.dense").linear(shape.width, shape.width)?,
            activation: shape.activation,
            norm: w.at("transform.LayerNorm").layer_norm(shape.width, shape.eps)?,
            decoder: decoder.linear_with(vocabulary, shape.width, Some(bias))?,
        })
    }

    /// `[tokens, width]` → `[tokens, vocabulary]`
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let x = self.transform.activate(x, self.activation, pass);
        let x = self.norm.forward(&x, pass);
        self.decoder.forward(&x, pass)
    }
}

impl Network for Bert {
    fn limits(&self) -> Limits {
        Limits {
            tokens: self.positions.rows,
            vocabulary: self.words.rows,
            segments: Some(self.segments.rows),
        }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        (0..self.blocks.len()).map(|layer| (Attn::block(layer), self.rule.clone())).collect()
    }

    fn has_logits(&self) -> bool {
        self.masked_lm.is_some()
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let text = &input.text;
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        self.segments.add_rows(text.tokens.iter().map(|token| token.segment as usize), x.values_mut());
        self.positions.add_rows(pass.positions(text.len()), x.values_mut());
        let mut x = pass.tap(Point::Embed, self.norm.forward(&x, pass));

        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &self.rule, pass);
        }

        let x = pass.tap(Point::LastHidden, x);
        if let Some(masked_lm) = self.masked_lm.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, masked_lm.forward(&x, pass));
        }
    }
}
