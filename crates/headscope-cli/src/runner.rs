//! From texts to what is shown or written: the same for those of the command line and those that a
//! reader types.

use std::ops::ControlFlow;
use std::time::Instant;

use headscope::view::ViewData;
use headscope::{Error, Generation, Input, Model, Sites, Trace};

use crate::commands::{note_part, printable};

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
    /// Runs a text or a pair and keeps the values at `sites`; of a text that is continued, with what the
    /// model expected at each token.
    ///
    /// # Errors
    /// If a text is empty or too long, or is to be continued by a model that cannot write.
    pub fn trace(&self, text: &str, pair: Option<&str>, sites: &Sites) -> Result<Trace, Error> {
        let (input, prompt) = self.read(text, pair)?;
        let mut trace = self.model.trace_encoding(input, sites)?;
        if prompt.is_some() {
            trace.predictions = self.model.predictions(&trace);
        }
        trace.prompt = prompt;
        Ok(trace)
    }

    /// Runs a text or a pair and makes it ready to be shown.
    ///
    /// # Errors
    /// As [`trace`](Runner::trace).
    pub fn view(&self, text: &str, pair: Option<&str>) -> Result<ViewData, Error> {
        let start = Instant::now();
        let (input, prompt) = self.read(text, pair)?;
        let sites = Sites::of_attention(self.model.engine(), &ViewData::POINTS);
        let mut trace = self.model.trace_encoding(input, &sites)?;
        let elapsed = start.elapsed();
        trace.predictions = self.model.predictions(&trace);
        trace.prompt = prompt;
        let mut data = ViewData::new(trace)?;
        data.traced_ms = Some(elapsed.as_secs_f64() * 1e3);
        Ok(data)
    }

    /// The tokens of a text or a pair; and if they were continued, how many were given.
    fn read(&self, text: &str, pair: Option<&str>) -> Result<(Input, Option<usize>), Error> {
        let encoding = self.model.encode(text, pair, self.truncate)?;
        let Some(generation) = &self.generation else { return Ok((encoding.into(), None)) };
        let given = encoding.len();
        let start = Instant::now();
        let show = |text: &str| {
            let lines: Vec<String> = text.split('\n').map(printable).collect();
            note_part(&lines.join("\n"));
        };
        show(text);
        let each = |text: &str| {
            show(text);
            ControlFlow::Continue(())
        };
        let input = self.model.generate(encoding, generation, each)?;
        let written = input.target.as_ref().unwrap_or(&input.text).len() - given;
        let secs = start.elapsed().as_secs_f64();
        note_part(&format!("\n({written} tokens, {:.0} a second)\n", written as f64 / secs.max(1e-9)));
        Ok((input, Some(given)))
    }
}
