//! Mistral (arXiv 2310.06825): Llama whose queries see a window of the last tokens, in every layer.

use headscope_trace::Mask;

use super::Family;
use super::llama::{Llama, Shape, Usual};

pub(super) const FAMILY: Family = Family {
    model_type: "mistral",
    about: "Mistral, with its sliding window: Mistral 7B, Zephyr",
    load: |config, weights| {
        let usual = Usual {
            vocabulary: 32000,
            n_key_heads: Some(8),
            d_head: None,
            d_mlp: 14336,
            positions: 4096 * 32,
        };
        let mut shape = Shape::read(config, &usual)?;
        // Null, as later versions have it, is no window.
        if !config.is_null("sliding_window") {
            let window = config.size("sliding_window", 4096)?;
            shape.mask = Box::new(move |_| Mask::CausalWindow(window));
        }
        Ok(Box::new(Llama::load(&shape, config, weights)?))
    },
};
