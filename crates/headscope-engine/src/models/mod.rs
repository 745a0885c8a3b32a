//! The families: one file each, named after Hugging Face's `model_type`, and one line here.
//!
//! A family is its configuration, its weight names and its forward pass in the vocabulary of
//! [`nn`](crate::nn). Everything that can fail, fails in `load`.

mod albert;
mod bart;
mod bert;
mod camembert;
mod deberta_v2;
mod distilbert;
mod electra;
mod llama;
mod marian;
mod mbart;
mod mistral;
mod modernbert;
mod mpnet;
mod mt5;
mod pegasus;
mod qwen2;
mod qwen3;
mod roberta;
mod t5;
mod two_stacks;
mod xlm_roberta;

use headscope_trace::{AttentionRule, Attn};

use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::probe::Pass;
use crate::weights::Weights;

/// A family that can be loaded.
pub struct Family {
    /// Hugging Face's `model_type`.
    pub model_type: &'static str,
    /// What it is, for lists.
    pub about: &'static str,
    /// Builds a network from a configuration and weights.
    pub load: Load,
}

/// Checks a configuration and weights, and builds the network they describe.
pub type Load = fn(&Config, &Weights) -> Result<Box<dyn Network>, EngineError>;

/// Every family, in the order of lists.
pub const FAMILIES: &[Family] = &[
    bert::FAMILY,
    roberta::FAMILY,
    xlm_roberta::FAMILY,
    camembert::FAMILY,
    distilbert::FAMILY,
    electra::FAMILY,
    albert::FAMILY,
    mpnet::FAMILY,
    deberta_v2::FAMILY,
    modernbert::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    t5::FAMILY,
    mt5::FAMILY,
    bart::FAMILY,
    mbart::FAMILY,
    marian::FAMILY,
    pegasus::FAMILY,
];

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, special tokens included.
    pub tokens: usize,
    /// How many token ids there are.
    pub vocabulary: usize,
    /// How many segments it tells apart, if it looks at them at all.
    pub segments: Option<usize>,
}

/// A loaded model.
pub trait Network: Send + Sync {
    /// What it takes; checked before each pass.
    fn limits(&self) -> Limits;

    /// What its decoder takes, in models of two stacks.
    fn target_limits(&self) -> Option<Limits> {
        None
    }

    /// The token that its decoder reads first, if there is one for all texts.
    fn decoder_start(&self) -> Option<u32> {
        None
    }

    /// Its attention blocks, in the order of a pass.
    fn rules(&self) -> Vec<(Attn, AttentionRule)>;

    /// Whether it ends in scores over the vocabulary.
    fn has_logits(&self) -> bool;

    /// Whether it turns queries and keys by their position, so that there is a before.
    fn has_rotary(&self) -> bool {
        false
    }

    /// Whether what was computed of a text's beginning holds for all texts of so many tokens that begin
    /// with it, so that it can be remembered.
    fn can_continue(&self, tokens: usize) -> bool {
        let _ = tokens;
        true
    }

    /// Runs one input that respects the limits, and cannot fail.
    fn forward(&self, input: &Input, pass: &mut Pass<'_>);
}

/// The family called `model_type` in the configuration.
///
/// # Errors
/// Names the type found and those supported.
pub fn family_of(config: &Config) -> Result<&'static Family, EngineError> {
    let name = config.text("model_type")?;
    FAMILIES.iter().find(|family| family.model_type == name).ok_or_else(|| {
        let supported: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
        config.fault("model_type", format!("is {name:?}; supported are {}", supported.join(", ")))
    })
}
