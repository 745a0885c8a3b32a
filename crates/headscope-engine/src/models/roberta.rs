//! RoBERTa (arXiv 1907.11692): BERT whose positions are counted from behind the padding token's id, passing
//! over padding, and which does not tell segments apart.

use super::Family;
use super::bert::{Bert, Names, Segments, Shape, USUAL, Usual};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::Activation;
use crate::nn::{MaskedLmNames, MaskedLmShape};
use crate::weights::Weights;

pub(super) const FAMILY: Family = Family {
    model_type: "roberta",
    about: "RoBERTa and DistilRoBERTa",
    load: |config, weights| Ok(Box::new(load(config, weights, &Usual { vocabulary: 50265, ..USUAL })?)),
};

pub(super) const HEAD: MaskedLmNames = MaskedLmNames {
    dense: "lm_head.dense",
    norm: "lm_head.layer_norm",
    decoder: "lm_head.decoder",
    bias: "lm_head.bias",
};

pub(super) fn load(config: &Config, weights: &Weights, usual: &Usual) -> Result<Bert, EngineError> {
    if config.is_null("pad_token_id") {
        return Err(
            config.fault("pad_token_id", "is null; expected an id, behind which positions begin".into())
        );
    }
    let shape = Shape::read(config, usual)?;
    let shape = Shape {
        padding: Some(config.get("pad_token_id", 1)?),
        // Its tokenizers give no segments, so that all of a pair is in the first.
        segments: Segments::First(config.size("type_vocab_size", 2)?),
        names: Names { root: "roberta", head: HEAD, ..shape.names },
        head: MaskedLmShape { activation: Activation::Gelu, ..shape.head },
        ..shape
    };
    Bert::load(&shape, config, weights)
}
