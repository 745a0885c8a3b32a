//! Phi 3 (arXiv 2404.14219): Llama with queries, keys and values in one matrix, gate and up in another; with a
//! window, if the configuration has one, and LongRoPE.

use headscope_trace::Mask;

use super::Family;
use super::decoder::window;
use super::llama::{self, Shape, Usual};
use crate::nn::RotaryUsual;

pub(super) const FAMILY: Family = Family {
    model_type: "phi3",
    about: "Phi 3, 3.5 and 4, without experts or images",
    load: |config, weights| {
        let shape = Shape::read(config, &USUAL)?;
        let mask = window(config, None)?.map_or(Mask::Causal, Mask::CausalWindow);
        let rotary = RotaryUsual {
            share: Some(("partial_rotary_factor", 1.0)),
            trained: Some(4096),
            longrope: &["longrope", "su", "yarn"],
            ..shape.rotary
        };
        let shape = Shape { mask: Box::new(move |_| mask), rotary, fused: true, ..shape };
        Ok(Box::new(llama::load(&shape, config, weights)?))
    },
};

const USUAL: Usual =
    Usual { vocabulary: 32064, width: 3072, d_mlp: 8192, positions: 4096, eps: 1e-5, ..llama::USUAL };
