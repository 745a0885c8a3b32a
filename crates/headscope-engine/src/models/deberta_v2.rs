//! DeBERTa V2 and V3 (arXiv 2006.03654, 2111.09543): BERT whose queries and keys also meet vectors of their
//! distance, which all layers share; words need no position of their own. The first block may be followed by a
//! convolution of the words.

use headscope_trace::{AttentionRule, Attn, Disentangled, Encoding, Point, Position, Tensor};

use super::bert::even_heads;
use super::{Family, Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::nn::{
    Conv, Distances, Embedding, HeadLayout, Linear, MaskedLm, MaskedLmNames, MaskedLmShape, Norm, PostNorm,
    PostNormNames, PostNormShape, Projection, attend_with,
};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "deberta-v2",
    about: "DeBERTa V2 and V3, mDeBERTa",
    load: |config, weights| Ok(Box::new(Deberta::load(config, weights)?)),
};

const BLOCK: PostNormNames = PostNormNames {
    attn_out: "attention.output.dense",
    attn_norm: "attention.output.LayerNorm",
    mlp_in: "intermediate.dense",
    mlp_out: "output.dense",
    mlp_norm: "output.LayerNorm",
};

/// The head as transformers had it first.
const LEGACY_HEAD: MaskedLmNames = MaskedLmNames {
    dense: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    decoder: "cls.predictions.decoder",
    bias: "cls.predictions.bias",
};

/// The head as it was trained, which has no decoder but the table of words.
const HEAD: MaskedLmNames = MaskedLmNames {
    dense: "lm_predictions.lm_head.dense",
    norm: "lm_predictions.lm_head.LayerNorm",
    decoder: "lm_predictions.lm_head.decoder",
    bias: "lm_predictions.lm_head.bias",
};

struct Shape {
    heads: HeadLayout,
    block: PostNormShape,
    term: Option<Disentangled>,
    /// Whether vectors of distances pass through the maps of queries and keys, and not through their own.
    shares_maps: bool,
}

struct Deberta {
    words: Embedding,
    positions: Option<Embedding>,
    segments: Option<Embedding>,
    project: Option<Linear>,
    norm: Norm,
    distances: Option<Distances>,
    blocks: Vec<Block>,
    conv: Option<Conv>,
    masked_lm: Option<MaskedLm>,
    rule: AttentionRule,
}

struct Block {
    heads: HeadLayout,
    qkv: Linear,
    /// From vectors of distances to what keys and what queries meet, side by side; `qkv` if none.
    distances: Option<Linear>,
    /// The first columns of both.
    columns: [Option<usize>; 2],
    rest: PostNorm,
}

impl Deberta {
    fn load(config: &Config, weights: &Weights) -> Result<Deberta, EngineError> {
        let (vocabulary, width) = (config.size("vocab_size", 128_100)?, config.size("hidden_size", 1536)?);
        let embedding = config.size("embedding_size", width)?;
        let eps = config.eps("layer_norm_eps", 1e-7)?;
        let activation = config.activation("hidden_act", "gelu")?;
        let heads = even_heads(config, ["hidden_size", "num_attention_heads"], width, 24)?;
        config.only("attention_head_size", heads.d_head)?;
        let d_mlp = config.size("intermediate_size", 6144)?;
        let meets = config.names("pos_att_type", &["c2p", "p2c"])?;
        let meets = ["c2p", "p2c"].map(|name| meets.iter().any(|other| other == name));
        let shape = Shape {
            heads,
            block: PostNormShape { names: BLOCK, width, d_mlp, eps, activation },
            term: term(config, meets)?,
            shares_maps: config.get("share_att_key", false)?,
        };

        let w = weights.root("deberta");
        let tables = w.at("embeddings");
        let words = tables.at("word_embeddings");
        let table = |name: &str, rows| tables.at(name).embedding(rows, embedding);
        let positions = config.size("max_position_embeddings", 512)?;
        let has_positions = config.get("position_biased_input", true)?;
        let segments = config.get("type_vocab_size", 0)?;
        let project = || tables.stacked(&[("embed_proj", width)], embedding, false);
        let head = MaskedLmShape { width, embedding, vocabulary, eps, activation };
        Ok(Deberta {
            words: words.embedding(vocabulary, embedding)?,
            positions: has_positions.then(|| table("position_embeddings", positions)).transpose()?,
            segments: (segments > 0).then(|| table("token_type_embeddings", segments)).transpose()?,
            project: (embedding != width).then(project).transpose()?,
            norm: tables.at("LayerNorm").layer_norm(width, eps)?,
            distances: distances(&shape, config, &w.at("encoder"))?,
            blocks: (0..config.size("num_hidden_layers", 24)?)
                .map(|i| Block::load(&shape, &w.at("encoder.layer").at(i)))
                .collect::<Result<_, _>>()?,
            conv: conv(config, width, eps, &w.at("encoder.conv"))?,
            masked_lm: masked_lm(config, &head, &words, weights)?,
            rule: rule(&shape, meets),
        })
    }

    /// `[tokens, width]`
    fn embed(&self, text: &Encoding, pass: &Pass<'_>) -> Tensor {
        let mut x = pass.zeros(&[text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        if let Some(positions) = &self.positions {
            positions.add_rows(pass.positions(text.len()), x.values_mut());
        }
        if let Some(segments) = &self.segments {
            segments.add_rows(text.tokens.iter().map(|token| token.segment as usize), x.values_mut());
        }
        let x = self.project.as_ref().map_or_else(|| x.clone(), |project| project.forward(&x, pass));
        without_padding(self.norm.forward(&x, pass), pass)
    }
}

/// What the configuration says of vectors of distances.
fn term(config: &Config, [queries_meet, keys_meet]: [bool; 2]) -> Result<Option<Disentangled>, EngineError> {
    if !config.get("relative_attention", false)? || !(queries_meet || keys_meet) {
        return Ok(None);
    }
    let positions = config.size("max_position_embeddings", 512)?;
    let given = |key| Ok(usize::try_from(config.get::<i64>(key, -1)?).ok().filter(|n| *n > 0));
    let (max, buckets) = (given("max_relative_positions")?.unwrap_or(positions), given("position_buckets")?);
    if let Some(buckets) = buckets.filter(|buckets| *buckets < 2 || max.saturating_sub(1) <= buckets / 2) {
        let detail =
            format!("is {buckets}; expected 2 or more, and less than twice the {max} relative positions");
        return Err(config.fault("position_buckets", detail));
    }
    let max_distance = buckets.map(|_| max);
    Ok(Some(Disentangled { span: buckets.unwrap_or(max), max_distance, queries_meet, keys_meet }))
}

/// Each of the products that are added up widens the sum, so the scale counts them, whether or not distances
/// have vectors. It is the inverse of a root in f32, as in transformers.
fn rule(shape: &Shape, meets: [bool; 2]) -> AttentionRule {
    let n_products = 1 + meets.iter().filter(|meets| **meets).count();
    let scale = f64::from(((shape.heads.d_head * n_products) as f32).sqrt()).recip();
    let full = AttentionRule::full(scale, shape.heads.n_heads);
    AttentionRule { position: shape.term.clone().map(Position::Disentangled), ..full }
}

/// The convolution that follows the first block, if there is one.
fn conv(config: &Config, width: usize, eps: f32, w: &At<'_>) -> Result<Option<Conv>, EngineError> {
    let kernel = config.get("conv_kernel_size", 0)?;
    if kernel == 0 {
        return Ok(None);
    }
    if kernel % 2 == 0 {
        return Err(config.fault("conv_kernel_size", format!("is {kernel}; expected an odd number")));
    }
    config.only("conv_groups", 1)?;
    let activation = config.activation("conv_act", "tanh")?;
    let (linear, norm) =
        (w.at("conv").linear_over(width, &[width, kernel])?, w.at("LayerNorm").layer_norm(width, eps)?);
    Ok(Some(Conv { linear, kernel, activation, norm }))
}

/// The head that the configuration means, or else the one that is there.
fn masked_lm(
    config: &Config,
    shape: &MaskedLmShape,
    words: &At<'_>,
    weights: &Weights,
) -> Result<Option<MaskedLm>, EngineError> {
    let tied = config.get("tie_word_embeddings", true)?;
    let legacy = || MaskedLm::find(&LEGACY_HEAD, shape, tied, words, weights);
    let trained = || MaskedLm::find(&HEAD, shape, true, words, weights);
    match config.get("legacy", true)? {
        true => Ok(legacy()?.or(trained()?)),
        false => Ok(trained()?.or(legacy()?)),
    }
}

/// Padding is nothing to a convolution.
fn without_padding(mut x: Tensor, pass: &Pass<'_>) -> Tensor {
    if let Some(open) = pass.padding() {
        let width = x.shape()[1];
        let rows = x.values_mut().chunks_exact_mut(width).zip(open);
        rows.filter(|(_, open)| !**open).for_each(|(row, _)| row.fill(0.0));
    }
    x
}

/// Vectors of distances, normalised if the configuration says so.
fn distances(shape: &Shape, config: &Config, w: &At<'_>) -> Result<Option<Distances>, EngineError> {
    let norms = config.names("norm_rel_ebd", &["none", "layer_norm"])?;
    let has_norm = norms.iter().any(|norm| norm == "layer_norm");
    let Some(Disentangled { span, .. }) = shape.term else { return Ok(None) };
    let PostNormShape { width, eps, .. } = shape.block;
    let table = w.at("rel_embeddings").embedding(span.saturating_mul(2), width)?;
    let norm = has_norm.then(|| w.at("LayerNorm").layer_norm(width, eps)).transpose()?;
    Ok(Some(Distances::new(table, norm)))
}

impl Block {
    fn load(shape: &Shape, w: &At<'_>) -> Result<Block, EngineError> {
        let (own, width) = (w.at("attention.self"), shape.block.width);
        let meets = shape.term.as_ref().map_or([false; 2], |term| [term.keys_meet, term.queries_meet]);
        let maps = ["pos_query_proj", "pos_key_proj"].into_iter().zip(meets).filter(|(_, meets)| *meets);
        let maps: Vec<_> = maps.map(|(name, _)| (name, width)).collect();
        let has_maps = !shape.shares_maps && !maps.is_empty();
        let key_column = if shape.shares_maps || meets[0] { width } else { 0 };
        Ok(Block {
            heads: shape.heads,
            qkv: own.stacked(
                &["query_proj", "key_proj", "value_proj"].map(|name| (name, width)),
                width,
                true,
            )?,
            distances: has_maps.then(|| own.stacked(&maps, width, true)).transpose()?,
            columns: [meets[0].then_some(0), meets[1].then_some(key_column)],
            rest: PostNorm::load(&shape.block, w)?,
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, rule: &AttentionRule, met: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let qkv = self.qkv.forward(&x, pass); // [tokens, 3 · heads · d_head]
        let [q, k, v] = self.heads.split(&qkv);
        let HeadLayout { n_heads, d_head, .. } = self.heads;
        let vectors =
            self.columns.map(|start| Some(Projection { from: met?, start: start?, n_heads, d_head }));
        let z = attend_with(rule, q, k, v, vectors, pass); // [tokens, heads · d_head]
        self.rest.forward(&x, &z, pass)
    }
}

impl Network for Deberta {
    fn limits(&self) -> Limits {
        Limits {
            // Distances reach as far as a text does.
            tokens: self.positions.as_ref().map_or(usize::MAX, |table| table.rows),
            vocabulary: self.words.rows,
            segments: self.segments.as_ref().map(|table| table.rows),
        }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        (0..self.blocks.len()).map(|layer| (Attn::block(layer), self.rule.clone())).collect()
    }

    fn has_logits(&self) -> bool {
        self.masked_lm.is_some()
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let x = self.embed(&input.text, pass);
        let embedded = pass.tap(Point::Embed, x);

        let maps = || self.blocks.iter().map(|block| block.distances.as_ref().unwrap_or(&block.qkv));
        let met = self.distances.as_ref().map(|distances| distances.mapped(maps(), pass));
        let mut x = embedded.clone();
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &self.rule, met.map(|met| &met[layer]), pass);
            if let Some(conv) = self.conv.as_ref().filter(|_| layer == 0) {
                x = without_padding(conv.forward(&x, &embedded, pass), pass);
            }
        }

        let x = pass.tap(Point::LastHidden, x);
        if let Some(masked_lm) = self.masked_lm.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, masked_lm.forward(&x, pass));
        }
    }
}
