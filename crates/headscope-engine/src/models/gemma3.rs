//! Gemma 3 (arXiv 2503.19786) as published with a vision tower, of which the text half is run: `gemma3_text`
//! with a configuration and weights of its own inside of the whole.

use super::{Family, gemma3_text};
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "gemma3",
    about: "Gemma 3, the text half: 4B, 12B, 27B",
    load: |config, weights| {
        let text = config.section("text_config")?;
        text.only("model_type", "gemma3_text")?;
        let text = text.with_default(config, "architectures").with_default(config, "tie_word_embeddings");
        let (w, lm_head) = text_half(weights);
        gemma3_text::read(&text, &w, &lm_head)
    },
};

/// The text half under the older names, or today's, with or without what is around it.
fn text_half(weights: &Weights) -> (At<'_>, At<'_>) {
    let older = weights.at("language_model");
    if older.at("model").exists() {
        return (older.at("model"), older.at("lm_head"));
    }
    (weights.root("model").at("language_model"), weights.at("lm_head"))
}
