//! mT5 (arXiv 2010.11934): T5 1.1 for a hundred languages, whose decoder scores the vocabulary unscaled.

use super::Family;
use super::t5::{T5, Usual};

pub(super) const FAMILY: Family = Family {
    model_type: "mt5",
    about: "mT5: T5 for many languages",
    load: |config, weights| {
        let usual = Usual {
            vocabulary: 250_112,
            d_mlp: 1024,
            n_layers: 8,
            n_heads: 6,
            mlp: "gated-gelu",
            scales_logits: false,
        };
        Ok(Box::new(T5::load(&usual, config, weights)?))
    },
};
