//! Qwen 3 (arXiv 2505.09388): Llama whose queries and keys are normalised, head by head, before they are
//! turned; with Qwen 2's windows.

use super::llama::{Llama, Shape};
use super::{Family, qwen2};

pub(super) const FAMILY: Family = Family {
    model_type: "qwen3",
    about: "Qwen 3, dense",
    load: |config, weights| {
        let shape = Shape::read(config, &qwen2::usual(Some(128)))?;
        let bias = config.get("attention_bias", false)?;
        let mask = qwen2::mask(config, shape.n_layers)?;
        let shape = Shape { qkv_bias: bias, out_bias: bias, qk_norm: true, mask, ..shape };
        Ok(Box::new(Llama::load(&shape, config, weights)?))
    },
};
