//! BERT (arXiv 1810.04805): an encoder that reads both ways. Learned positions and segments are
//! added to the words, and each block normalises *after* it has added to the residual stream.

use std::collections::HashMap;
use std::sync::Arc;

use headscope_trace::{AttentionRule, Attn, Encoding, Point, Tensor};

use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::nn::{
    Embedding, HeadLayout, Linear, MaskedLm, MaskedLmNames, MaskedLmShape, Norm, PostNorm, PostNormNames,
    PostNormShape, attend,
};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "bert",
    about: "BERT and what shares its layout: gte, e5, bge, MiniLM",
    load: |config, weights| Ok(Box::new(Bert::load(&Shape::read(config, &USUAL)?, config, weights)?)),
};

/// What a configuration means that does not say it: where relatives differ.
pub(super) struct Usual {
    pub vocabulary: usize,
    pub embedding: Option<usize>,
    pub width: usize,
    pub n_heads: usize,
    pub d_mlp: usize,
    pub activation: &'static str,
}

pub(super) const USUAL: Usual =
    Usual { vocabulary: 30522, embedding: None, width: 768, n_heads: 12, d_mlp: 3072, activation: "gelu" };

/// BERT, or a relative that differs in its embeddings, in names, or in which layers share their weights.
pub(super) struct Shape {
    pub vocabulary: usize,
    /// Columns of the tables.
    pub embedding: usize,
    /// Rows of the table of positions.
    pub positions: usize,
    /// The token that is passed over when positions are counted, which then begin behind its id.
    pub padding: Option<usize>,
    pub segments: Segments,
    pub heads: HeadLayout,
    pub n_layers: usize,
    pub block: PostNormShape,
    pub names: Names,
    /// Where a layer's weights are; layers at the same place are one.
    pub layer: Box<dyn Fn(usize) -> String>,
    pub head: MaskedLmShape,
}

/// What is known of a text's segments.
pub(super) enum Segments {
    /// Nothing.
    Ignored,
    /// All tokens count as of the first of so many.
    First(usize),
    /// So many are told apart.
    Told(usize),
}

/// Where a checkpoint keeps its weights.
pub(super) struct Names {
    /// Before all names but the head's, where there is a head.
    pub root: &'static str,
    /// From the width of the tables to that of the blocks, if those differ.
    pub project: Option<&'static str>,
    /// Queries, keys and values in a block.
    pub qkv: [&'static str; 3],
    pub head: MaskedLmNames,
}

pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    padding: Option<usize>,
    segments: Option<Embedding>,
    tells_segments: bool,
    norm: Norm,
    project: Option<Linear>,
    blocks: Vec<Arc<Block>>,
    masked_lm: Option<MaskedLm>,
    pub rule: AttentionRule,
}

struct Block {
    heads: HeadLayout,
    qkv: Linear,
    rest: PostNorm,
}

impl Shape {
    /// BERT's shape.
    pub(super) fn read(config: &Config, usual: &Usual) -> Result<Shape, EngineError> {
        config.only("position_embedding_type", "absolute")?;
        config.only("is_decoder", false)?;
        config.only("add_cross_attention", false)?;
        let vocabulary = config.size("vocab_size", usual.vocabulary)?;
        let width = config.size("hidden_size", usual.width)?;
        let embedding = usual.embedding.map_or(Ok(width), |usual| config.size("embedding_size", usual))?;
        let eps = config.eps("layer_norm_eps", 1e-12)?;
        let activation = config.activation("hidden_act", usual.activation)?;
        let names = PostNormNames {
            attn_out: "attention.output.dense",
            attn_norm: "attention.output.LayerNorm",
            mlp_in: "intermediate.dense",
            mlp_out: "output.dense",
            mlp_norm: "output.LayerNorm",
        };
        let d_mlp = config.size("intermediate_size", usual.d_mlp)?;
        Ok(Shape {
            vocabulary,
            embedding,
            positions: config.size("max_position_embeddings", 512)?,
            padding: None,
            segments: Segments::Told(config.size("type_vocab_size", 2)?),
            heads: even_heads(config, ["hidden_size", "num_attention_heads"], width, usual.n_heads)?,
            n_layers: config.size("num_hidden_layers", 12)?,
            block: PostNormShape { names, width, d_mlp, eps, activation },
            names: Names {
                root: "bert",
                project: None,
                qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
                head: MaskedLmNames {
                    dense: "cls.predictions.transform.dense",
                    norm: "cls.predictions.transform.LayerNorm",
                    decoder: "cls.predictions.decoder",
                    bias: "cls.predictions.bias",
                },
            },
            layer: Box::new(|i| format!("encoder.layer.{i}")),
            head: MaskedLmShape { width, embedding, vocabulary, eps, activation },
        })
    }
}

/// Heads that share the width of the model evenly, each with keys of its own; errors name the two `keys`.
pub(super) fn even_heads(
    config: &Config,
    [width_key, heads_key]: [&str; 2],
    width: usize,
    usual: usize,
) -> Result<HeadLayout, EngineError> {
    let n_heads = config.size(heads_key, usual)?;
    if !width.is_multiple_of(n_heads) {
        let detail = format!("is {width}; expected a multiple of the {n_heads} heads");
        return Err(config.fault(width_key, detail));
    }
    Ok(HeadLayout { n_heads, n_key_heads: n_heads, d_head: width / n_heads })
}

impl Bert {
    pub(super) fn load(shape: &Shape, config: &Config, weights: &Weights) -> Result<Bert, EngineError> {
        let (w, names, embedding) = (weights.root(shape.names.root), &shape.names, shape.embedding);
        let tables = w.at("embeddings");
        let table = |name: &str, rows| tables.at(name).embedding(rows, embedding);
        // Of a tied pair either name may be the one that was stored.
        let (words, decoder) = (tables.at("word_embeddings"), weights.at(names.head.decoder));
        let tied = config.get("tie_word_embeddings", true)?;
        let words = if tied && !words.has("weight") && decoder.has("weight") { decoder } else { words };
        let project = |path| w.stacked(&[(path, shape.block.width)], embedding, true);
        let (segments, tells_segments) = match shape.segments {
            Segments::Ignored => (None, false),
            Segments::First(rows) => (Some(rows), false),
            Segments::Told(rows) => (Some(rows), true),
        };
        if shape.padding.is_some_and(|padding| padding >= shape.positions - 1) {
            let detail = format!("is {}; expected more than pad_token_id + 1", shape.positions);
            return Err(config.fault("max_position_embeddings", detail));
        }
        Ok(Bert {
            words: words.embedding(shape.vocabulary, embedding)?,
            positions: table("position_embeddings", shape.positions)?,
            padding: shape.padding,
            segments: segments.map(|rows| table("token_type_embeddings", rows)).transpose()?,
            tells_segments,
            norm: tables.at("LayerNorm").layer_norm(embedding, shape.block.eps)?,
            project: names.project.map(project).transpose()?,
            blocks: Block::load_all(shape, &w)?,
            masked_lm: MaskedLm::find(&names.head, &shape.head, tied, &words, weights)?,
            rule: AttentionRule::full((shape.heads.d_head as f64).sqrt().recip(), shape.heads.n_heads),
        })
    }

    /// `[tokens, width]`
    fn embed(&self, text: &Encoding, pass: &mut Pass<'_>) -> Tensor {
        let mut x = pass.zeros(&[text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::WordEmbed, x);
        if let Some(segments) = &self.segments {
            let told = |segment: u32| if self.tells_segments { segment as usize } else { 0 };
            segments.add_rows(text.tokens.iter().map(|token| told(token.segment)), x.values_mut());
        }
        self.positions.add_positions(self.places(text), &mut x, pass);
        let x = self.norm.forward(&x, pass);
        self.project.as_ref().map_or_else(|| x.clone(), |project| project.forward(&x, pass))
    }

    /// The row of the table of positions for each token.
    fn places(&self, text: &Encoding) -> impl Iterator<Item = usize> {
        let mut next = self.padding.map_or(0, |padding| padding + 1);
        text.tokens.iter().map(move |token| match self.padding {
            Some(padding) if token.id as usize == padding => padding,
            _ => {
                next += 1;
                next - 1
            }
        })
    }
}

impl Block {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Block, EngineError> {
        let width = shape.block.width;
        let qkv = shape.names.qkv.map(|name| (name, width));
        Ok(Block {
            heads: shape.heads,
            qkv: w.stacked(&qkv, width, true)?,
            rest: PostNorm::load(&shape.block, w)?,
        })
    }

    /// The block of each layer.
    fn load_all(shape: &Shape, w: &At<'_>) -> Result<Vec<Arc<Block>>, EngineError> {
        let mut known: HashMap<String, Arc<Block>> = HashMap::new();
        let block = |path: String| match known.get(&path) {
            Some(block) => Ok(Arc::clone(block)),
            None => {
                let block = Arc::new(Block::load(shape, &w.at(&path))?);
                known.insert(path, Arc::clone(&block));
                Ok(block)
            }
        };
        (0..shape.n_layers).map(&shape.layer).map(block).collect()
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, rule: &AttentionRule, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let qkv = self.qkv.forward(&x, pass); // [tokens, 3 · heads · d_head]
        let [q, k, v] = self.heads.split(&qkv);
        let z = attend(rule, q, k, v, pass); // [tokens, heads · d_head]
        self.rest.forward(&x, &z, pass)
    }
}

impl Network for Bert {
    fn limits(&self) -> Limits {
        Limits {
            tokens: self.positions.rows - self.padding.map_or(0, |padding| padding + 1),
            vocabulary: self.words.rows,
            segments: self.segments.as_ref().filter(|_| self.tells_segments).map(|table| table.rows),
        }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        (0..self.blocks.len()).map(|layer| (Attn::block(layer), self.rule.clone())).collect()
    }

    fn has_logits(&self) -> bool {
        self.masked_lm.is_some()
    }

    fn has_word_embed(&self) -> bool {
        true
    }

    fn has_pos_embed(&self) -> bool {
        true
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let x = self.embed(&input.text, pass);
        let mut x = pass.tap(Point::Embed, x);

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
