//! Qwen 2 (arXiv 2407.10671): Llama with biases on queries, keys and values, and, if the configuration
//! says so, a window in its later layers.

use headscope_trace::Mask;

use super::Family;
use super::decoder::{masks, window};
use super::llama::{self, Shape, Usual};
use crate::EngineError;
use crate::config::Config;

pub(super) const FAMILY: Family = Family {
    model_type: "qwen2",
    about: "Qwen 2 and 2.5",
    load: |config, weights| {
        let shape = Shape::read(config, &USUAL)?;
        let shape = Shape { qkv_bias: true, mask: mask(config, shape.n_layers)?, ..shape };
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

pub(super) const USUAL: Usual =
    Usual { vocabulary: 151_936, n_key_heads: Some(32), d_mlp: 22016, positions: 32768, ..llama::USUAL };

/// What each layer sees: by `layer_types`, or else a window from `max_window_layers` on.
pub(super) fn mask(config: &Config, n_layers: usize) -> Result<Box<dyn Fn(usize) -> Mask>, EngineError> {
    let window = if config.get("use_sliding_window", false)? { window(config, Some(4096))? } else { None };
    let first = config.get("max_window_layers", 28)?;
    masks(config, n_layers, window, move |layer| layer >= first)
}
