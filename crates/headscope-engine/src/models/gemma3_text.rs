//! Gemma 3 (arXiv 2503.19786), what it does with text: Gemma 2 with norms of queries and keys, five layers with
//! a window to one without, and a rotary of its own for each kind.

use headscope_trace::Mask;

use super::gemma2::{Shape, USUAL, cap, load};
use super::llama::Usual;
use super::{Family, Network};
use crate::EngineError;
use crate::config::Config;
use crate::nn::{Rotary, RotaryUsual};
use crate::weights::At;

pub(super) const FAMILY: Family = Family {
    model_type: "gemma3_text",
    about: "Gemma 3 without images: 270M, 1B, EmbeddingGemma",
    load: |config, weights| read(config, &weights.root("model"), &weights.at("lm_head")),
};

/// The network of `config`, whose blocks are at `w`.
pub(super) fn read(config: &Config, w: &At<'_>, lm_head: &At<'_>) -> Result<Box<dyn Network>, EngineError> {
    let usual = Usual { vocabulary: 262_208, positions: 131_072, ..USUAL };
    let shape = Shape::read(config, &usual, config.size("sliding_window_pattern", 6)?)?;
    let mask = shape.mask;
    let shape = Shape {
        mask: match config.get("use_bidirectional_attention", false)? {
            true => Box::new(move |layer| both_ways(mask(layer))),
            false => mask,
        },
        rotary: |mask| usize::from(matches!(mask, Mask::CausalWindow(_) | Mask::Window(_))),
        qk_norm: true,
        // A cap on scores is not applied, whatever the configuration says.
        logits_cap: cap(config, "final_logit_softcapping", None)?,
        ..shape
    };
    let rotary = rotaries(config, shape.heads.d_head, usual.positions)?;
    Ok(Box::new(load(&shape, rotary, config, w, lm_head)?))
}

/// What sees as far behind a token as before it: half of the window on each side.
fn both_ways(mask: Mask) -> Mask {
    match mask {
        Mask::CausalWindow(window) => Mask::Window(window / 2),
        _ => Mask::Full,
    }
}

/// The rotary of layers that see all, and that of layers with a window. Older configurations have the scaling
/// of the first and the bases of both beside each other.
fn rotaries(config: &Config, d_head: usize, positions: usize) -> Result<Vec<Rotary>, EngineError> {
    let by_kind = config.section("rope_parameters")?;
    let scaling = config.section("rope_scaling")?;
    let [full, windowed] = ["full_attention", "sliding_attention"].map(|kind| by_kind.section(kind));
    let full = if scaling.is_empty() { full? } else { scaling };
    [(full, "rope_theta", 1e6), (windowed?, "rope_local_base_freq", 1e4)]
        .into_iter()
        .map(|(rope, key, theta)| {
            let usual = RotaryUsual { theta: (key, theta), ..RotaryUsual::new(positions) };
            Rotary::of_section(config, &rope, d_head, &usual)
        })
        .collect()
}
