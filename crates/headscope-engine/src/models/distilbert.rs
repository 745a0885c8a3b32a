//! DistilBERT (arXiv 1910.01108): BERT of half as many layers, which knows nothing of segments.

use super::Family;
use super::bert::{Bert, Names, Segments, Shape, even_heads};
use crate::EngineError;
use crate::config::Config;
use crate::nn::{MaskedLmNames, MaskedLmShape, PostNormNames, PostNormShape};

pub(super) const FAMILY: Family = Family {
    model_type: "distilbert",
    about: "DistilBERT",
    load: |config, weights| Ok(Box::new(Bert::load(&shape(config)?, config, weights)?)),
};

/// What norms add to the variance; no configuration says.
const EPS: f32 = 1e-12;

fn shape(config: &Config) -> Result<Shape, EngineError> {
    let (vocabulary, width) = (config.size("vocab_size", 30522)?, config.size("dim", 768)?);
    let activation = config.activation("activation", "gelu")?;
    Ok(Shape {
        vocabulary,
        embedding: width,
        // Learned or, by `sinusoidal_pos_embds`, waves: a table in the file in either case.
        positions: config.size("max_position_embeddings", 512)?,
        padding: None,
        segments: Segments::Ignored,
        heads: even_heads(config, ["dim", "n_heads"], width, 12)?,
        n_layers: config.size("n_layers", 6)?,
        block: PostNormShape {
            names: PostNormNames {
                attn_out: "attention.out_lin",
                attn_norm: "sa_layer_norm",
                mlp_in: "ffn.lin1",
                mlp_out: "ffn.lin2",
                mlp_norm: "output_layer_norm",
            },
            width,
            d_mlp: config.size("hidden_dim", 4 * 768)?,
            eps: EPS,
            activation,
        },
        names: Names {
            root: "distilbert",
            project: None,
            qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
            head: MaskedLmNames {
                dense: "vocab_transform",
                norm: "vocab_layer_norm",
                decoder: "vocab_projector",
                bias: "vocab_projector.bias",
            },
        },
        layer: Box::new(|i| format!("transformer.layer.{i}")),
        head: MaskedLmShape { width, embedding: width, vocabulary, eps: EPS, activation },
    })
}
