//! What decoders have around their blocks: words that enter, a norm at the end, and scores over the
//! vocabulary. A family's file says what its blocks are, and fills in the rest.

use headscope_trace::{AttentionRule, Attn, Encoding, Mask, Point, Tensor};

use super::{Limits, Network};
use crate::EngineError;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::Turns;
use crate::nn::{Embedding, HeadLayout, Linear, Norm, Normalise, Rotary, soft_cap};
use crate::probe::Pass;
use crate::weights::At;

/// A block of a decoder.
pub(super) trait Block: Send + Sync {
    /// How it attends.
    fn rule(&self) -> &AttentionRule;

    /// `[tokens, width]` → `[tokens, width]`, with the turns that each rotary of the decoder gives.
    fn forward(&self, x: Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor;
}

/// A stack of blocks that reads from left to right.
pub(super) struct Decoder<B> {
    pub embed: Embed,
    /// What turns queries and keys; none, if the model does not know positions in that way.
    pub rotary: Vec<Rotary>,
    pub blocks: Vec<B>,
    /// Whether a block's MLP reads what its attention reads, so that there is nothing between them.
    pub is_parallel: bool,
    pub norm: Option<Box<dyn Normalise>>,
    /// From the width of the blocks to that of the words, where they differ.
    pub project_out: Option<Linear>,
    pub lm_head: Option<LmHead>,
    /// The longest text.
    pub positions: usize,
}

/// What enters the first block.
pub(super) struct Embed {
    pub words: Embedding,
    /// The factor of words.
    pub scale: f32,
    /// From the width of the words to that of the blocks, where they differ.
    pub project_in: Option<Linear>,
    pub positions: Option<Positions>,
    pub norm: Option<Norm>,
}

/// Learned positions.
pub(super) struct Positions {
    pub table: Embedding,
    /// The row of the first position.
    pub first: usize,
    /// Whether padding takes no position. It has the row before the first then.
    pub skips_padding: bool,
}

/// How the names of classes end that are language models.
const LANGUAGE_MODELS: [&str; 3] = ["ForCausalLM", "LMHeadModel", "ForConditionalGeneration"];

/// Scores over the vocabulary.
pub(super) struct LmHead {
    pub linear: Linear,
    pub soft_cap: Option<f32>,
}

impl From<Embedding> for Embed {
    /// Words alone.
    fn from(words: Embedding) -> Embed {
        Embed { words, scale: 1.0, project_in: None, positions: None, norm: None }
    }
}

impl Embed {
    /// `[tokens, width]`
    fn forward(&self, text: &Encoding, pass: &mut Pass<'_>) -> Tensor {
        let mut x = Tensor::zeros([text.len(), self.words.width]);
        self.words.add_rows(text.tokens.iter().map(|token| token.id as usize), x.values_mut());
        let mut x = pass.tap(Point::WordEmbed, x);
        if self.scale != 1.0 {
            x.values_mut().iter_mut().for_each(|x| *x *= self.scale);
        }
        if let Some(project_in) = &self.project_in {
            x = project_in.forward(&x, pass);
        }
        if let Some(positions) = &self.positions {
            let rows: Vec<usize> = positions.rows(text, pass).collect();
            positions.table.add_positions(rows.into_iter(), &mut x, pass);
        }
        match &self.norm {
            Some(norm) => norm.forward(&x, pass),
            None => x,
        }
    }
}

impl Positions {
    /// The row of each token.
    fn rows(&self, text: &Encoding, pass: &Pass<'_>) -> impl Iterator<Item = usize> {
        let mut next = self.first + pass.positions(text.len()).start;
        text.tokens.iter().map(move |token| {
            if self.skips_padding && !token.mask {
                return self.first - 1;
            }
            next += 1;
            next - 1
        })
    }
}

impl LmHead {
    /// Scores from `own` weights or, tied, from those of the words, with a bias of their own if the family
    /// has one; none if the checkpoint is of no language model. `tied` is what a configuration means that
    /// does not say it.
    pub(super) fn load(
        config: &Config,
        words: &At<'_>,
        own: &At<'_>,
        [vocabulary, width]: [usize; 2],
        tied: bool,
        bias: bool,
    ) -> Result<Option<LmHead>, EngineError> {
        let classes = config.get("architectures", Vec::<String>::new())?;
        let named = |class: &String| LANGUAGE_MODELS.iter().any(|end| class.ends_with(end));
        if !own.has("weight") && !classes.iter().any(named) {
            return Ok(None);
        }
        let tied = config.get("tie_word_embeddings", tied)?;
        let from = if tied && !own.has("weight") { words } else { own };
        let bias = bias.then(|| own.vector("bias", vocabulary)).transpose()?;
        Ok(Some(LmHead { linear: from.linear_with(vocabulary, width, bias)?, soft_cap: None }))
    }

    /// `[tokens, width]` → `[tokens, vocabulary]`
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let logits = self.linear.forward(x, pass);
        match self.soft_cap {
            Some(cap) => soft_cap(logits, cap, pass),
            None => logits,
        }
    }
}

/// The layers called `0`, `1`, and so on.
pub(super) fn layers<B>(
    w: &At<'_>,
    n_layers: usize,
    load: impl Fn(usize, &At<'_>) -> Result<B, EngineError>,
) -> Result<Vec<B>, EngineError> {
    (0..n_layers).map(|i| load(i, &w.at(i))).collect()
}

/// As many heads as the configuration says under `heads`, of equal parts of the width that it has under
/// `width`.
pub(super) fn equal_heads(
    config: &Config,
    (width, usual_width): (&str, usize),
    (heads, usual_heads): (&str, usize),
) -> Result<(usize, HeadLayout), EngineError> {
    let (size, n_heads) = (config.size(width, usual_width)?, config.size(heads, usual_heads)?);
    match size % n_heads {
        0 => Ok((size, HeadLayout::alike(n_heads, size / n_heads))),
        _ => Err(config.fault(width, format!("is {size}; expected a multiple of the {n_heads} heads"))),
    }
}

/// The width of the window that some layers see, if there is one: null, as later versions have it, is none.
pub(super) fn window(config: &Config, usual: Option<usize>) -> Result<Option<usize>, EngineError> {
    match config.given::<usize>("sliding_window")? {
        Some(given) => config.size("sliding_window", given).map(Some),
        None if config.is_null("sliding_window") => Ok(None),
        None => Ok(usual),
    }
}

/// The same, where there must be one.
pub(super) fn needed_window(config: &Config, usual: usize) -> Result<usize, EngineError> {
    let window = window(config, Some(usual))?;
    window.ok_or_else(|| config.fault("sliding_window", "is null; expected a number".into()))
}

/// What each layer sees, by `layer_types`; where the configuration has none, those for which `windowed` says
/// so see a window, if there is one, and others all tokens before.
pub(super) fn masks(
    config: &Config,
    n_layers: usize,
    window: Option<usize>,
    windowed: impl Fn(usize) -> bool + 'static,
) -> Result<Box<dyn Fn(usize) -> Mask>, EngineError> {
    let window = window.map(Mask::CausalWindow);
    let Some(types) = config.given::<Vec<String>>("layer_types")? else {
        return Ok(Box::new(move |layer| window.filter(|_| windowed(layer)).unwrap_or(Mask::Causal)));
    };
    let fault = |detail| config.fault("layer_types", detail);
    if types.len() != n_layers {
        return Err(fault(format!("names {} layers; expected {n_layers}", types.len())));
    }
    let of_type = |name: &String| match (name.as_str(), window) {
        ("full_attention", _) => Ok(Mask::Causal),
        ("sliding_attention", Some(window)) => Ok(window),
        ("sliding_attention", None) => {
            Err(fault("has sliding_attention; expected a sliding window too".into()))
        }
        (other, _) => Err(fault(format!("has {other:?}; supported are full_attention, sliding_attention"))),
    };
    let masks = types.iter().map(of_type).collect::<Result<Vec<Mask>, _>>()?;
    Ok(Box::new(move |layer| masks[layer]))
}

impl<B: Block> Network for Decoder<B> {
    fn limits(&self) -> Limits {
        Limits { tokens: self.positions, vocabulary: self.embed.words.rows, segments: None }
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        let rules = self.blocks.iter().map(Block::rule).cloned();
        rules.enumerate().map(|(layer, rule)| (Attn::block(layer), rule)).collect()
    }

    fn has_logits(&self) -> bool {
        self.lm_head.is_some()
    }

    fn has_word_embed(&self) -> bool {
        true
    }

    fn has_pos_embed(&self) -> bool {
        self.embed.positions.is_some()
    }

    fn has_rotary(&self) -> bool {
        !self.rotary.is_empty()
    }

    fn is_parallel(&self) -> bool {
        self.is_parallel
    }

    fn can_continue(&self, tokens: usize) -> bool {
        self.rotary.iter().all(|rotary| rotary.is_steady(tokens))
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let x = self.embed.forward(&input.text, pass);
        let mut x = pass.tap(Point::Embed, x);

        let positions = pass.positions(input.text.len());
        let turns = |rotary: &Rotary| rotary.turns(pass.compute, positions.clone());
        let turns: Vec<Turns> = self.rotary.iter().map(turns).collect();
        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, &turns, pass);
        }

        if let Some(norm) = &self.norm {
            x = norm.forward(&x, pass);
        }
        if let Some(project_out) = &self.project_out {
            x = project_out.forward(&x, pass);
        }
        let x = pass.tap(Point::LastHidden, x);
        if let Some(lm_head) = self.lm_head.as_ref().filter(|_| pass.wants(Point::Logits)) {
            pass.tap(Point::Logits, lm_head.forward(&pass.scored(&x), pass));
        }
    }
}
