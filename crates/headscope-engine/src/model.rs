//! A loaded model: texts in, traces out.

use std::collections::BTreeSet;
use std::sync::Arc;

use headscope_trace::{AttentionRule, Attn, AttnPoint, Card, Encoding, Point, Position, Site, Stack, Trace};
use wildmatch::WildMatch;

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::input::Input;
use crate::kernels::Compute;
use crate::memory::Memory;
use crate::models::{self, ImageLimits, Limits, Network, family_of};
use crate::nn::is_causal;
use crate::packer::Packer;
use crate::probe::{Pass, Probe, Recorder};
use crate::shelf::Shelf;
use crate::weights::Weights;

/// A model that is ready to run.
pub struct Model {
    card: Card,
    network: Box<dyn Network>,
    decoder_start: Option<u32>,
    weights: Weights,
    packer: Packer,
    shelf: Arc<Shelf>,
    compute: Compute,
    ends: Vec<u32>,
    forced_second: Option<u32>,
}

/// Which sites a trace records; `last_hidden` and `logits` are recorded always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites(BTreeSet<Site>);

impl Sites {
    /// The pattern of every head.
    pub fn patterns(model: &Model) -> Sites {
        Sites::of_attention(model, &[AttnPoint::Pattern])
    }

    /// These points of every attention block.
    pub fn of_attention(model: &Model, points: &[AttnPoint]) -> Sites {
        let blocks = model.rules().into_iter().map(|(attn, _)| attn);
        Sites(blocks.flat_map(|attn| points.iter().map(move |point| attn.site(*point))).collect())
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Sites) -> Sites {
        self.0.extend(others.0);
        self
    }
}

impl Model {
    /// Loads a checkpoint: reads its headers, norms and biases, and leaves the large weights in the
    /// file, where the first pass takes them from.
    ///
    /// # Errors
    /// If the family or a configuration value is not supported, or a tensor is missing or of another
    /// shape, or a norm or bias is not finite.
    pub fn load(checkpoint: &Checkpoint, compute: &Compute) -> Result<Model, EngineError> {
        let config = Config::parse(&checkpoint.config.1, &checkpoint.config.0)?;
        let family = family_of(&config)?;
        models::check(&config)?;
        let weights = Weights::read(checkpoint.weights.clone(), compute)?;
        let network = (family.load)(&config, &weights)?;
        let decoder_start = match network.target_limits() {
            Some(_) => checkpoint.decoder_start(&config)?.or(network.decoder_start()),
            None => None,
        };
        let card = Card {
            hash: checkpoint.fingerprint(&weights),
            dtype: weights.dtype(),
            revision: checkpoint.revision.clone(),
            kernel: format!("{}, f32", compute.isa()),
            ..Card::new(&checkpoint.id, family.model_type)
        };
        let packer = Packer::new(weights.layers());
        let (shelf, compute) = (Arc::default(), compute.clone());
        let ends = checkpoint.ends(&config)?;
        let vocabulary = network.target_limits().unwrap_or(network.limits()).vocabulary;
        let forced_second = checkpoint.forced_second(&config, vocabulary)?;
        Ok(Model { card, network, decoder_start, weights, packer, shelf, compute, ends, forced_second })
    }

    /// What it is called and how it computes.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What it takes.
    pub fn limits(&self) -> Limits {
        self.network.limits()
    }

    /// Its attention blocks, in the order of a pass.
    pub fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        self.network.rules()
    }

    /// The sites that a comma-separated list of names picks; `*` stands for any letters.
    ///
    /// # Errors
    /// If a name picks none.
    pub fn sites(&self, globs: &str) -> Result<Sites, EngineError> {
        let all: Vec<(Site, String)> = self.all_sites().map(|site| (site, site.to_string())).collect();
        let mut picked = BTreeSet::new();
        for glob in globs.split(',').map(str::trim) {
            let pattern = WildMatch::new(glob);
            let matches: Vec<Site> =
                all.iter().filter(|(_, name)| pattern.matches(name)).map(|(site, _)| *site).collect();
            if matches.is_empty() {
                return Err(EngineError::NoSuchSite { model: self.card.id.clone(), glob: glob.to_owned() });
            }
            picked.extend(matches);
        }
        Ok(Sites(picked))
    }

    /// Every site of the model.
    fn all_sites(&self) -> impl Iterator<Item = Site> {
        let rules = self.rules();
        let attns: Vec<Attn> = rules.iter().map(|(attn, _)| *attn).collect();
        let met = move |attn| match &rules.iter().find(|(of, _)| *of == attn)?.1.position {
            Some(Position::Disentangled(term)) => Some(term.clone()),
            _ => None,
        };
        let last = attns.last().map(|attn| attn.stack);
        let of_stack = move |stack| {
            let of_stack = attns.iter().filter(move |attn| attn.stack == stack);
            let n_layers = of_stack.clone().filter(|attn| !attn.cross).count();
            let sites = Site::all(stack, n_layers, of_stack.clone().any(|attn| attn.cross));
            sites.filter(move |_| n_layers > 0)
        };
        let stacks = [Stack::Only, Stack::Encoder, Stack::Decoder];
        stacks.into_iter().flat_map(of_stack).filter(move |site| match (site.point, site.attn()) {
            (Point::Logits, _) => self.network.has_logits() && Some(site.stack) == last,
            (_, Some((_, AttnPoint::QPre | AttnPoint::KPre))) => self.network.has_rotary(),
            (_, Some((attn, AttnPoint::PosQ))) => met(attn).is_some_and(|term| term.keys_meet),
            (_, Some((attn, AttnPoint::PosK))) => met(attn).is_some_and(|term| term.queries_meet),
            (Point::WordEmbed, _) => self.network.has_word_embed(),
            (Point::PosEmbed, _) => self.network.has_pos_embed(),
            (Point::ResidMid, _) => !self.network.is_parallel(),
            _ => true,
        })
    }

    /// Packs the weights now, for the fastest passes from the next one on. Otherwise that begins
    /// behind the second pass, on a thread that gives way to all others. Results are the same.
    pub fn pack(&self) {
        self.packer.pack(&self.compute);
    }

    /// What its decoder takes, in models of two stacks.
    pub fn target_limits(&self) -> Option<Limits> {
        self.network.target_limits()
    }

    /// What image it takes, in models that see.
    pub fn image_limits(&self) -> Option<ImageLimits> {
        self.network.image()
    }

    /// The token that its decoder reads first, in models of two stacks where that is one for all texts.
    pub fn decoder_start(&self) -> Option<u32> {
        self.decoder_start
    }

    /// Runs a text, or an image, under a probe.
    ///
    /// # Errors
    /// If an image has another size than the model takes, or is none where one is read, or the other way
    /// round; if a text has no token, too many, or one that the model does not know; or if the decoder of
    /// two stacks has nothing to read. The pass itself
    /// cannot fail; when it met numbers that are not finite, and a weight is not finite, that
    /// weight is named after it.
    pub fn run(&self, input: &Input, probe: &mut dyn Probe) -> Result<(), EngineError> {
        self.check(input)?;
        self.pass(input, probe, None)
    }

    /// Runs a checked input, behind what is remembered.
    pub(crate) fn pass(
        &self,
        input: &Input,
        probe: &mut dyn Probe,
        mut memory: Option<&mut Memory>,
    ) -> Result<(), EngineError> {
        let padding = [input.text.padding(), input.target.as_ref().and_then(Encoding::padding)];
        let padding = padding.each_ref().map(Option::as_deref);
        let mut pass = Pass::new(probe, &self.compute, &self.shelf, padding, memory.as_deref_mut());
        self.network.forward(input, &mut pass);
        if !pass.is_finite() {
            self.weights.check_finite()?;
        }
        if let Some(memory) = memory {
            memory.tokens += input.continued().len();
        }
        self.packer.passed(self.compute.isa());
        Ok(())
    }

    /// Runs a text and keeps the values at `sites`.
    ///
    /// # Errors
    /// As [`run`](Model::run), and if the numbers went past what f32 can hold.
    pub fn trace(&self, input: impl Into<Input>, sites: &Sites) -> Result<Trace, EngineError> {
        self.trace_with(input, sites, &mut ())
    }

    /// The same under a probe, whose changes the trace shows.
    ///
    /// # Errors
    /// As [`trace`](Model::trace).
    pub fn trace_with(
        &self,
        input: impl Into<Input>,
        sites: &Sites,
        probe: &mut dyn Probe,
    ) -> Result<Trace, EngineError> {
        let input = input.into();
        let always = |site: Site| matches!(site.point, Point::LastHidden | Point::Logits);
        let mut both = (probe, Recorder::new(|site| always(site) || sites.0.contains(&site)));
        self.run(&input, &mut both)?;
        let mut trace = Trace::new(self.card.clone(), input.text, self.rules());
        trace.target = input.target;
        trace.picture = input.picture;
        for (site, value) in both.1.values {
            // A number too large anywhere before has become NaN by here.
            if site.point == Point::LastHidden && !value.iter().all(|value| value.is_finite()) {
                return Err(EngineError::NotFinite { model: self.card.id.clone() });
            }
            trace.insert(site, value);
        }
        trace.card.row_sum_error = trace.row_sum_error();
        Ok(trace)
    }

    /// Whether it has scores for the token after each, which no later token changes.
    pub fn predicts_next(&self) -> bool {
        let rules = self.rules();
        let last = rules.last().map(|(attn, _)| attn.stack);
        let mut own = rules.iter().filter(|(attn, _)| Some(attn.stack) == last && !attn.cross);
        self.network.has_logits() && own.all(|(_, rule)| is_causal(rule.mask))
    }

    /// Whether keys and values of this text can be remembered.
    pub(crate) fn remembers(&self, text: &Encoding) -> bool {
        text.padding().is_none() && self.network.can_continue(text.len())
    }

    /// The tokens that end a text.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The token that must stand behind a first one that is alone.
    pub(crate) fn forced_second(&self) -> Option<u32> {
        self.forced_second
    }

    /// What it computes with.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    pub(crate) fn check(&self, input: &Input) -> Result<(), EngineError> {
        self.check_image(input)?;
        self.check_text("text", &input.text, self.limits())?;
        self.check_text("text", &input.text, self.limits())?;
        let model = || self.card.id.clone();
        match (self.target_limits(), &input.target) {
            (None, None) => Ok(()),
            (Some(limits), Some(target)) => self.check_text("target", target, limits),
            (Some(_), None) => Err(EngineError::NoTarget { model: model() }),
            (None, Some(_)) => Err(EngineError::OneStack { model: model() }),
        }
    }

    fn check_image(&self, input: &Input) -> Result<(), EngineError> {
        let model = || self.card.id.clone();
        let (limits, pixels) = match (self.image_limits(), &input.pixels) {
            (None, None) => return Ok(()),
            (Some(_), None) => return Err(EngineError::NoImage { model: model() }),
            (None, Some(_)) => return Err(EngineError::NoEyes { model: model() }),
            (Some(limits), Some(pixels)) => (limits, pixels),
        };
        if let Some(expected) = limits.refuses(pixels.shape()) {
            return Err(EngineError::ImageSize { model: model(), expected, found: pixels.shape().to_vec() });
        }
        let grid = limits.grid(pixels.shape()[1], pixels.shape()[2]);
        let expected = grid.first + grid.len();
        match input.text.len() {
            found if found == expected => Ok(()),
            found => Err(EngineError::ImageTokens { model: model(), expected, found }),
        }
    }

    fn check_text(&self, of: &'static str, text: &Encoding, limits: Limits) -> Result<(), EngineError> {
        let model = || self.card.id.clone();
        if text.is_empty() {
            return Err(EngineError::Empty { of });
        }
        if text.len() > limits.tokens {
            return Err(EngineError::TooLong {
                model: model(),
                of,
                tokens: text.len(),
                limit: limits.tokens,
            });
        }
        for (position, token) in text.tokens.iter().enumerate() {
            let segments = limits.segments.unwrap_or(usize::MAX);
            let values = [("id", token.id, limits.vocabulary), ("segment", token.segment, segments)];
            for (what, found, limit) in values {
                if found as usize >= limit {
                    return Err(EngineError::OutOfRange { model: model(), of, position, what, found, limit });
                }
            }
        }
        Ok(())
    }
}
