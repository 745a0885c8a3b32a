//! Qwen 3 (arXiv 2505.09388): Llama whose queries and keys are normalised, head by head, before they are
//! turned; with Qwen 2's windows.

use super::llama::{self, Shape, Usual};
use super::{Family, qwen2};

pub(super) const FAMILY: Family = Family {
    model_type: "qwen3",
    about: "Qwen 3, dense",
    load: |config, weights| {
        let shape = Shape::read(config, &USUAL)?;
        let bias = config.get("attention_bias", false)?;
        let mask = qwen2::mask(config, shape.n_layers)?;
        let shape = Shape { qkv_bias: bias, out_bias: bias, qk_norm: true, mask, ..shape };
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

const USUAL: Usual = Usual { d_head: Some(128), ..qwen2::USUAL };
