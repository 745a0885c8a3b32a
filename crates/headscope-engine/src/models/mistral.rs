//! Mistral (arXiv 2310.06825): Llama whose queries see a window of the last tokens, in every layer.

use headscope_trace::Mask;

use super::Family;
use super::decoder::window;
use super::llama::{self, Shape, Usual};

pub(super) const FAMILY: Family = Family {
    model_type: "mistral",
    about: "Mistral, with its sliding window: Mistral 7B, Zephyr",
    load: |config, weights| {
        let mut shape = Shape::read(config, &USUAL)?;
        let mask = window(config, Some(4096))?.map_or(Mask::Causal, Mask::CausalWindow);
        shape.mask = Box::new(move |_| mask);
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

const USUAL: Usual = Usual { n_key_heads: Some(8), d_mlp: 14336, positions: 4096 * 32, ..llama::USUAL };
