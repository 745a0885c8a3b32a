//! The families: one file each, named after Hugging Face's `model_type`, and one line here.
//!
//! A family is its configuration, its weight names and its forward pass in the vocabulary of
//! [`nn`](crate::nn). Everything that can fail, fails in `load`.

mod albert;
mod bart;
mod bert;
mod bloom;
mod camembert;
mod deberta_v2;
mod decoder;
mod deit;
mod dinov2;
mod distilbert;
mod electra;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma3_text;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod llama;
mod marian;
mod mbart;
mod mistral;
mod modernbert;
mod mpnet;
mod mt5;
mod olmo2;
mod opt;
mod pegasus;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;
mod roberta;
mod smollm3;
mod t5;
mod two_stacks;
mod vit;
mod xlm_roberta;

use std::ops::Range;

use headscope_trace::{AttentionRule, Attn, Encoding, Grid, Token};

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
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    gpt_neox::FAMILY,
    gptj::FAMILY,
    gpt_oss::FAMILY,
    opt::FAMILY,
    bloom::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    gemma3_text::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    olmo2::FAMILY,
    smollm3::FAMILY,
    t5::FAMILY,
    mt5::FAMILY,
    bart::FAMILY,
    mbart::FAMILY,
    marian::FAMILY,
    pegasus::FAMILY,
    vit::FAMILY,
    deit::FAMILY,
    dinov2::FAMILY,
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

/// What a network that sees takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Numbers per pixel.
    pub channels: usize,
    /// Height and width of the images it was made for.
    pub size: [usize; 2],
    /// Whether it takes other sizes too.
    pub any_size: bool,
    /// Height and width of a patch.
    pub patch: [usize; 2],
    /// The tokens before the patches.
    pub specials: &'static [&'static str],
}

impl ImageLimits {
    /// The patches of an image of that size.
    pub fn grid(&self, height: usize, width: usize) -> Grid {
        let [patch_height, patch_width] = self.patch;
        Grid { rows: height / patch_height, columns: width / patch_width, first: self.specials.len() }
    }

    /// The tokens of an image called `name`: the special ones, then patches named by row and column (`r2c5`),
    /// both counted from 0. Ids count the tokens.
    pub fn encoding(&self, name: &str, height: usize, width: usize) -> Encoding {
        let Grid { rows, columns, .. } = self.grid(height, width);
        let specials = self.specials.iter().map(|special| (*special).to_owned());
        let patches = (0..rows).flat_map(|row| (0..columns).map(move |column| format!("r{row}c{column}")));
        let token = |(id, piece)| Token {
            id,
            piece,
            span: None,
            segment: 0,
            special: (id as usize) < self.specials.len(),
            mask: true,
        };
        Encoding {
            text: name.to_owned(),
            parts: Vec::from([Range { start: 0, end: name.len() }]),
            tokens: (0..).zip(specials.chain(patches)).map(token).collect(),
        }
    }

    /// Why the network does not take an image of that shape: what it takes.
    pub(crate) fn refuses(&self, shape: &[usize]) -> Option<String> {
        let ImageLimits { channels, size: [height, width], patch, .. } = *self;
        let of_channels = format!("{channels} channel{}", if channels == 1 { "" } else { "s" });
        match *shape {
            [c, h, w] if self.any_size && c == channels && h >= patch[0] && w >= patch[1] => None,
            [c, h, w] if c == channels && [h, w] == self.size => None,
            _ if self.any_size => {
                Some(format!("{of_channels}, and at least {} x {} pixels", patch[1], patch[0]))
            }
            _ => Some(format!("{width} x {height} pixels of {of_channels}")),
        }
    }
}

/// A loaded model.
pub trait Network: Send + Sync {
    /// What it takes; checked before each pass.
    fn limits(&self) -> Limits;

    /// What its decoder takes, in models of two stacks.
    fn target_limits(&self) -> Option<Limits> {
        None
    }

    /// What image it takes, in models that see.
    fn image(&self) -> Option<ImageLimits> {
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

    /// Whether it shows the vectors of its words alone.
    fn has_word_embed(&self) -> bool {
        false
    }

    /// Whether it adds learned vectors of positions to its words, and shows them.
    fn has_pos_embed(&self) -> bool {
        false
    }

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

    /// Whether attention and MLP of a block read the same, so that there is nothing between them.
    fn is_parallel(&self) -> bool {
        false
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

/// Refuses what no family understands.
///
/// # Errors
/// Names the key and its value.
pub(crate) fn check(config: &Config) -> Result<(), EngineError> {
    config.only("is_causal", true)?;
    let quantization = config.section("quantization_config")?;
    if quantization.is_empty() {
        return Ok(());
    }
    let method = quantization.get("quant_method", "unknown".to_owned())?;
    Err(quantization
        .fault("quant_method", format!("is {method:?}; supported are weights in F32, F16 and BF16")))
}
