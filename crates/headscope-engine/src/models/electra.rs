//! ELECTRA (arXiv 2003.10555): BERT, trained to find words that a smaller model has replaced. Tables may be
//! narrower than the blocks, and a projection leads from one to the other. That smaller model, the generator,
//! guesses masked words; the one that finds them has no scores over the vocabulary.

use super::Family;
use super::bert::{Bert, Names, Shape, USUAL, Usual};
use crate::kernels::Activation;
use crate::nn::{MaskedLmNames, MaskedLmShape};

pub(super) const FAMILY: Family = Family {
    model_type: "electra",
    about: "ELECTRA, discriminators and generators",
    load: |config, weights| {
        let usual = Usual { embedding: Some(128), width: 256, n_heads: 4, d_mlp: 1024, ..USUAL };
        let shape = Shape::read(config, &usual)?;
        let project = (shape.embedding != shape.block.width).then_some("embeddings_project");
        let names = Names { root: "electra", project, head: HEAD, ..shape.names };
        let head = MaskedLmShape { activation: Activation::Gelu, ..shape.head };
        Ok(Box::new(Bert::load(&Shape { names, head, ..shape }, config, weights)?))
    },
};

const HEAD: MaskedLmNames = MaskedLmNames {
    dense: "generator_predictions.dense",
    norm: "generator_predictions.LayerNorm",
    decoder: "generator_lm_head",
    bias: "generator_lm_head.bias",
};
