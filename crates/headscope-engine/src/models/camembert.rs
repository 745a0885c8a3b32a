//! CamemBERT (arXiv 1911.03894): RoBERTa for French.

use super::bert::USUAL;
use super::{Family, roberta};

pub(super) const FAMILY: Family = Family {
    model_type: "camembert",
    about: "CamemBERT",
    load: |config, weights| Ok(Box::new(roberta::load(config, weights, &USUAL)?)),
};
