//! From texts to what is shown or written: the same for those of the command line and those that a
//! reader types.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use headscope::view::ViewData;
use headscope::{Encoding, Error, Generation, Input, Model, Sites, Trace, engine};

use crate::args::TargetArgs;
use crate::commands::{note_part, printable};

/// What is given to a model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// A text, or the first of a pair.
    pub text: &'a str,
    /// The second of a pair or, where there is a decoder, what that reads.
    pub second: Option<&'a str>,
    /// What a decoder reads, named as such.
    pub target: Option<&'a str>,
    /// The same as ids.
    pub decoder_ids: Option<&'a [u32]>,
}

impl<'a> Given<'a> {
    /// Those of a command line.
    pub fn of(text: Option<&'a str>, second: Option<&'a str>, target: &'a TargetArgs) -> Given<'a> {
        Given {
            text: text.unwrap_or_default(),
            second,
            target: target.target.as_deref(),
            decoder_ids: target.decoder_ids.as_deref(),
        }
    }
}

/// What a view of an input needs recorded.
pub fn sites_of_view(model: &engine::Model, input: &Input) -> Sites {
    let tokens = input.text.len().max(input.target.as_ref().map_or(0, Encoding::len));
    Sites::of_attention(model, &ViewData::points(tokens))
}

/// Makes a trace of those sites, which took so long, ready to be shown.
///
/// # Errors
/// If there is more than can be shown.
pub fn view_of(model: &engine::Model, trace: Trace, elapsed: Duration) -> Result<ViewData, Error> {
    let pattern = |trace: &Trace, attn, head| engine::pattern(model.compute(), trace, attn, head);
    let mut data = ViewData::with_patterns(trace, pattern)?;
    data.traced_ms = Some(elapsed.as_secs_f64() * 1e3);
    Ok(data)
}

/// A model, and what is done with texts.
pub struct Runner {
    /// The model.
    pub model: Model,
    /// Whether a text that is too long is cut rather than refused.
    pub truncate: bool,
    /// How texts are continued, if they are.
    pub generation: Option<Generation>,
}

impl Runner {
    /// Runs texts and keeps the values at `sites`; of a text that is continued, with what the model expected
    /// at each token.
    ///
    /// # Errors
    /// If a text is empty or too long, or is to be continued by a model that cannot write.
    pub fn trace(&self, texts: Given<'_>, sites: &Sites) -> Result<Trace, Error> {
        let (input, prompt) = self.read(texts)?;
        let mut trace = self.model.trace_encoding(input, sites)?;
        if prompt.is_some() {
            trace.predictions = self.model.predictions(&trace);
        }
        trace.prompt = prompt;
        Ok(trace)
    }

    /// Runs texts and makes them ready to be shown.
    ///
    /// # Errors
    /// As [`trace`](Runner::trace).
    pub fn view(&self, texts: Given<'_>) -> Result<ViewData, Error> {
        let start = Instant::now();
        let (input, prompt) = self.read(texts)?;
        let model = self.model.engine();
        let sites = sites_of_view(model, &input);
        let mut trace = self.model.trace_encoding(input, &sites)?;
        let elapsed = start.elapsed();
        trace.predictions = self.model.predictions(&trace);
        trace.prompt = prompt;
        view_of(model, trace, elapsed)
    }

    /// What the model reads. A decoder that is to write begins with its start token.
    fn input(&self, texts: Given<'_>) -> Result<Input, Error> {
        let Given { text, second, target, decoder_ids } = texts;
        let input = self.model.input(text, second, self.truncate)?;
        let target = match (target, decoder_ids) {
            (Some(text), _) => Some(self.model.encode_target(text, self.truncate)?),
            (None, Some(ids)) => Some(self.model.tokenizer().ids(ids)?),
            (None, None) if input.target.is_none() && self.generation.is_some() => {
                self.model.target_start()?
            }
            (None, None) => input.target,
        };
        Ok(Input { target, ..input })
    }

    /// The tokens of texts; and if they were continued, how many were given of what was.
    fn read(&self, texts: Given<'_>) -> Result<(Input, Option<usize>), Error> {
        let input = self.input(texts)?;
        // A decoder that has nothing to begin with is refused by the pass.
        let can_begin = input.target.is_some() || !self.model.has_decoder();
        let Some(generation) = self.generation.as_ref().filter(|_| can_begin) else {
            return Ok((input, None));
        };
        let prompt = input.target.as_ref().unwrap_or(&input.text);
        let (given, text) = (prompt.len(), prompt.text.clone());
        let start = Instant::now();
        let show = |text: &str| {
            let lines: Vec<String> = text.split('\n').map(printable).collect();
            note_part(&lines.join("\n"));
        };
        show(&text);
        let each = |text: &str| {
            show(text);
            ControlFlow::Continue(())
        };
        let input = self.model.generate(input, generation, each)?;
        let written = input.target.as_ref().unwrap_or(&input.text).len() - given;
        let secs = start.elapsed().as_secs_f64();
        note_part(&format!("\n({written} tokens, {:.0} a second)\n", written as f64 / secs.max(1e-9)));
        Ok((input, Some(given)))
    }
}
