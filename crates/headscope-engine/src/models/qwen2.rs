//! Qwen 2 (arXiv 2407.10671): Llama with biases on queries, keys and values, and, if the configuration
//! says so, a window in its later layers.

use headscope_trace::Mask;

use super::Family;
use super::llama::{Llama, Shape, Usual};
use crate::EngineError;
use crate::config::Config;

pub(super) const FAMILY: Family = Family {
    model_type: "qwen2",
    about: "Qwen 2 and 2.5",
    load: |config, weights| {
        let shape = Shape::read(config, &usual(None))?;
        let shape = Shape { qkv_bias: true, mask: mask(config, shape.n_layers)?, ..shape };
        Ok(Box::new(Llama::load(&shape, config, weights)?))
    },
};

pub(super) fn usual(d_head: Option<usize>) -> Usual {
    Usual { vocabulary: 151_936, n_key_heads: Some(32), d_head, d_mlp: 22016, positions: 32768 }
}

/// What each layer sees: by `layer_types`, or else a window from `max_window_layers` on.
pub(super) fn mask(config: &Config, n_layers: usize) -> Result<Box<dyn Fn(usize) -> Mask>, EngineError> {
    let windowed = config.get("use_sliding_window", false)? && !config.is_null("sliding_window");
    let window = windowed.then(|| config.size("sliding_window", 4096)).transpose()?.map(Mask::CausalWindow);
    let Some(types) = config.given::<Vec<String>>("layer_types")? else {
        let first = config.get("max_window_layers", 28)?;
        return Ok(Box::new(move |layer| window.filter(|_| layer >= first).unwrap_or(Mask::Causal)));
    };
    let fault = |detail| config.fault("layer_types", detail);
    if types.len() != n_layers {
        return Err(fault(format!("names {} layers; expected {n_layers}", types.len())));
    }
    let of_type = |name: &String| match (name.as_str(), window) {
        ("full_attention", _) => Ok(Mask::Causal),
        ("sliding_attention", Some(window)) => Ok(window),
        ("sliding_attention", None) => {
            Err(fault("has sliding_attention; expected use_sliding_window and a sliding_window too".into()))
        }
        (other, _) => Err(fault(format!("has {other:?}; supported are full_attention, sliding_attention"))),
    };
    let masks = types.iter().map(of_type).collect::<Result<Vec<Mask>, _>>()?;
    Ok(Box::new(move |layer| masks[layer]))
}
