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
        let shape = Shape { qkv_bias: true, masks: masks(config, shape.masks.len())?, ..shape };
        Ok(Box::new(Llama::load(&shape, config, weights)?))
    },
};

pub(super) fn usual(d_head: Option<usize>) -> Usual {
    Usual { vocabulary: 151_936, n_key_heads: Some(32), d_head, d_mlp: 22016, positions: 32768 }
}

/// What each layer sees: by `layer_types`, or else a window from `max_window_layers` on.
pub(super) fn masks(config: &Config, n_layers: usize) -> Result<Vec<Mask>, EngineError> {
    let windowed = config.get("use_sliding_window", false)? && !config.is_null("sliding_window");
    let window = match windowed {
        true => Some(Mask::CausalWindow(config.size("sliding_window", 4096)?)),
        false => None,
    };
    let Some(types) = config.given::<Vec<String>>("layer_types")? else {
        let full = if window.is_some() { config.get("max_window_layers", 28)? } else { n_layers };
        let of_layer = |layer| window.filter(|_| layer >= full).unwrap_or(Mask::Causal);
        return Ok((0..n_layers).map(of_layer).collect());
    };
    if types.len() != n_layers {
        return Err(config.fault(
            "layer_types",
            format!("has {}; expected one for each of {n_layers} layers", types.len()),
        ));
    }
    let of_type = |name: &String| match (name.as_str(), window) {
        ("full_attention", _) => Ok(Mask::Causal),
        ("sliding_attention", Some(window)) => Ok(window),
        ("sliding_attention", None) => Err(config.fault(
            "layer_types",
            "has sliding_attention; expected use_sliding_window and a sliding_window".into(),
        )),
        (other, _) => {
            let supported = "full_attention, sliding_attention";
            Err(config.fault("layer_types", format!("has {other:?}; supported are {supported}")))
        }
    };
    types.iter().map(of_type).collect()
}
