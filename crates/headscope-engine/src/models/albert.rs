//! ALBERT (arXiv 1909.11942): BERT whose layers share their weights, all of them or in groups, and whose
//! tables are narrower than its blocks.

use super::Family;
use super::bert::{Bert, Names, Shape, Usual};
use crate::EngineError;
use crate::config::Config;
use crate::nn::{MaskedLmNames, PostNormNames, PostNormShape};

pub(super) const FAMILY: Family = Family {
    model_type: "albert",
    about: "ALBERT, whose layers share their weights",
    load: |config, weights| Ok(Box::new(Bert::load(&shape(config)?, config, weights)?)),
};

const BLOCK: PostNormNames = PostNormNames {
    attn_out: "attention.dense",
    attn_norm: "attention.LayerNorm",
    mlp_in: "ffn",
    mlp_out: "ffn_output",
    mlp_norm: "full_layer_layer_norm",
};

const HEAD: MaskedLmNames = MaskedLmNames {
    dense: "predictions.dense",
    norm: "predictions.LayerNorm",
    decoder: "predictions.decoder",
    bias: "predictions.bias",
};

/// A layer more costs no weights, so nothing else would stop a damaged configuration.
const MOST_LAYERS: usize = 1 << 12;

fn shape(config: &Config) -> Result<Shape, EngineError> {
    let usual = Usual {
        vocabulary: 30000,
        embedding: Some(128),
        width: 4096,
        n_heads: 64,
        d_mlp: 16384,
        activation: "gelu_new",
    };
    let shape = Shape::read(config, &usual)?;
    let (n_groups, inner) = (config.size("num_hidden_groups", 1)?, config.size("inner_group_num", 1)?);
    let n_layers = shape.n_layers;
    if n_layers.saturating_mul(inner) > MOST_LAYERS {
        let detail = format!("is {n_layers}, of {inner} each; expected at most {MOST_LAYERS} in all");
        return Err(config.fault("num_hidden_layers", detail));
    }
    // Layers are dealt to groups in order, as evenly as floating-point numbers of transformers have it.
    let per_group = n_layers as f64 / n_groups as f64;
    let group = move |layer: usize| ((layer as f64 / per_group) as usize).min(n_groups - 1);
    Ok(Shape {
        n_layers: n_layers * inner,
        block: PostNormShape { names: BLOCK, ..shape.block },
        names: Names {
            root: "albert",
            project: Some("encoder.embedding_hidden_mapping_in"),
            qkv: ["attention.query", "attention.key", "attention.value"],
            head: HEAD,
        },
        layer: Box::new(move |i| {
            let (group, layer) = (group(i / inner), i % inner);
            format!("encoder.albert_layer_groups.{group}.albert_layers.{layer}")
        }),
        ..shape
    })
}
