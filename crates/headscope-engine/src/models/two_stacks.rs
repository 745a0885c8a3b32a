//! What models with an encoder and a decoder share besides blocks: tied tables, and where things are.

use headscope_trace::{AttentionRule, Attn, Stack};

use crate::EngineError;
use crate::config::Config;
use crate::weights::At;

/// The first of these places that holds a `weight`: what is tied is stored once, anywhere, and what is
/// stored twice is not tied, whatever the configuration says.
pub(super) fn tied<'a>(places: &[&At<'a>]) -> At<'a> {
    places
        .iter()
        .find(|place| place.has("weight"))
        .map_or_else(|| places[0].clone(), |place| (*place).clone())
}

/// Whether a checkpoint is of a model that scores the vocabulary: by its class, or by a matrix for it.
pub(super) fn scores_vocabulary(config: &Config, lm_head: &At<'_>) -> Result<bool, EngineError> {
    const ENDINGS: [&str; 3] = ["ForConditionalGeneration", "MTModel", "WithLMHeadModel"];
    let classes = config.get("architectures", Vec::<String>::new())?;
    let named = classes.iter().any(|class| ENDINGS.iter().any(|ending| class.ends_with(ending)));
    Ok(named || lm_head.has("weight"))
}

/// Refuses halves: an encoder or a decoder that was saved alone.
pub(super) fn only_whole(config: &Config) -> Result<(), EngineError> {
    config.only("is_encoder_decoder", true)?;
    config.only("is_decoder", false)
}

/// The attention blocks of a pass, from the rules of the encoder's layers, and of the decoder's to its
/// own text and to the encoder's.
pub(super) fn rules<'a>(
    encoder: impl Iterator<Item = &'a AttentionRule>,
    decoder: impl Iterator<Item = [&'a AttentionRule; 2]>,
) -> Vec<(Attn, AttentionRule)> {
    let attn = |stack, layer, cross| Attn { stack, layer, cross };
    let encoder = encoder.enumerate().map(|(layer, rule)| (attn(Stack::Encoder, layer, false), rule.clone()));
    let decoder = decoder.enumerate().flat_map(|(layer, rules)| {
        [false, true].map(|cross| (attn(Stack::Decoder, layer, cross), rules[usize::from(cross)].clone()))
    });
    encoder.chain(decoder).collect()
}
