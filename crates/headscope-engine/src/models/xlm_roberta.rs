//! XLM-RoBERTa (arXiv 1911.02116): RoBERTa for a hundred languages.

use super::bert::USUAL;
use super::{Family, roberta};

pub(super) const FAMILY: Family = Family {
    model_type: "xlm-roberta",
    about: "XLM-RoBERTa: multilingual e5, bge-m3",
    load: |config, weights| Ok(Box::new(roberta::load(config, weights, &USUAL)?)),
};
