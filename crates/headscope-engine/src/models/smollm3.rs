//! SmolLM3: Llama in which every fourth layer leaves queries and keys as they are, whatever their position
//! (NoPE, arXiv 2305.19466); these may see a window.

use super::Family;
use super::decoder::{masks, window};
use super::llama::{self, Shape, Usual};
use crate::EngineError;
use crate::config::Config;
use crate::nn::RotaryUsual;

pub(super) const FAMILY: Family = Family {
    model_type: "smollm3",
    about: "SmolLM3",
    load: |config, weights| {
        let bias = config.get("attention_bias", false)?;
        let mlp_bias = config.get("mlp_bias", false)?;
        let shape = Shape::read(config, &USUAL)?;
        let windowed = config.get("use_sliding_window", false)?;
        let (turned, has_rotary) = (turned(config, shape.n_layers)?, turned(config, shape.n_layers)?);
        let rotary = RotaryUsual { theta: ("rope_theta", 2e6), ..shape.rotary };
        let mask = masks(config, shape.n_layers, window(config, None)?, move |layer| {
            windowed && !has_rotary(layer)
        })?;
        let shape =
            Shape { mask, turned, rotary, tied: true, qkv_bias: bias, out_bias: bias, mlp_bias, ..shape };
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

const USUAL: Usual = Usual {
    vocabulary: 128_256,
    width: 2048,
    n_heads: 16,
    n_key_heads: Some(4),
    n_layers: 36,
    positions: 32768,
    ..llama::USUAL
};

/// Whether a layer turns queries and keys: as `no_rope_layers` says, where 1 stands for layers that *do*, or
/// all but each `no_rope_layer_interval`-th.
fn turned(config: &Config, n_layers: usize) -> Result<Box<dyn Fn(usize) -> bool>, EngineError> {
    let interval = config.size("no_rope_layer_interval", 4)?;
    match config.given::<Vec<usize>>("no_rope_layers")? {
        None => Ok(Box::new(move |layer| (layer + 1) % interval != 0)),
        Some(list) if list.len() < n_layers => {
            let detail = format!("names {} layers; expected {n_layers}", list.len());
            Err(config.fault("no_rope_layers", detail))
        }
        Some(list) => Ok(Box::new(move |layer| list[layer] != 0)),
    }
}
