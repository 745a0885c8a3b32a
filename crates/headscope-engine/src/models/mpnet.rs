//! MPNet (arXiv 2004.09297): BERT whose scores have a term of position, a number for each range of distances
//! that all layers share. Positions are counted as in RoBERTa, and segments are not known.

use headscope_trace::Position;

use super::bert::{Bert, Names, Segments, Shape, USUAL, Usual};
use super::{Family, roberta};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::Activation;
use crate::nn::{MaskedLmShape, PostNormNames, PostNormShape};
use crate::weights::Weights;

pub(super) const FAMILY: Family = Family {
    model_type: "mpnet",
    about: "MPNet: all-mpnet-base",
    load: |config, weights| Ok(Box::new(load(config, weights)?)),
};

/// The padding token's id, whatever a configuration says.
const PADDING: usize = 1;

/// So many ranges of distances are told apart, up to this distance, whatever a configuration says.
const BUCKETS: usize = 32;
const MAX_DISTANCE: usize = 128;

fn load(config: &Config, weights: &Weights) -> Result<Bert, EngineError> {
    let rows = config.size("relative_attention_num_buckets", BUCKETS)?;
    if rows < BUCKETS {
        let detail = format!("is {rows}; expected at least {BUCKETS}");
        return Err(config.fault("relative_attention_num_buckets", detail));
    }
    let shape = Shape::read(config, &Usual { vocabulary: 30527, ..USUAL })?;
    let attention =
        PostNormNames { attn_out: "attention.attn.o", attn_norm: "attention.LayerNorm", ..shape.block.names };
    let shape = Shape {
        padding: Some(PADDING),
        segments: Segments::Ignored,
        block: PostNormShape { names: attention, ..shape.block },
        names: Names {
            root: "mpnet",
            qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
            head: roberta::HEAD,
            ..shape.names
        },
        head: MaskedLmShape { activation: Activation::Gelu, ..shape.head },
        ..shape
    };
    let mut table =
        weights.root("mpnet").at("encoder.relative_attention_bias").table(rows, shape.heads.n_heads)?;
    table.truncate(BUCKETS);
    let mut network = Bert::load(&shape, config, weights)?;
    network.rule.position = Some(Position::Buckets { table, max_distance: MAX_DISTANCE, two_sided: true });
    Ok(network)
}
