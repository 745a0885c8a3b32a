//! Gemma (arXiv 2403.08295): Llama whose words are scaled by the root of the width, and whose norms are stored
//! as what their weights are more than 1.

use super::Family;
use super::llama::{self, Shape, Usual};
use crate::EngineError;
use crate::config::Config;
use crate::kernels::Activation;

pub(super) const FAMILY: Family = Family {
    model_type: "gemma",
    about: "Gemma 1",
    load: |config, weights| {
        config.only("use_bidirectional_attention", false)?;
        let bias = config.get("attention_bias", false)?;
        let shape = Shape::read(config, &USUAL)?;
        let shape = Shape {
            activation: activation(config)?,
            qkv_bias: bias,
            out_bias: bias,
            word_scale: word_scale(shape.width),
            norm_base: 1.0,
            tied: true,
            ..shape
        };
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

const USUAL: Usual = Usual {
    vocabulary: 256_000,
    width: 3072,
    n_heads: 16,
    n_key_heads: Some(16),
    d_head: Some(256),
    d_mlp: 24576,
    n_layers: 28,
    positions: 8192,
    eps: 1e-6,
};

/// The first published models say `gelu` and mean the form by tanh.
fn activation(config: &Config) -> Result<Activation, EngineError> {
    let named = config.activation("hidden_act", "gelu_pytorch_tanh")?;
    let is_gelu = config.get("hidden_act", String::new())? == "gelu";
    Ok(if is_gelu { Activation::GeluTanh } else { named })
}

/// What words are multiplied with, rounded as it is in training.
pub(super) fn word_scale(width: usize) -> f32 {
    (width as f64).sqrt() as f32
}
