//! Texts that a model continues, and what it held to be likely.

use std::ops::ControlFlow;

use headscope_engine::{Choice, Input};
use headscope_text::{TextStream, Tokenizer};
use headscope_trace::{Encoding, Guess, Point, Prediction, Token, Trace};

use crate::{Error, Model};

/// How far a text is continued, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generation {
    /// The most tokens that are added.
    pub max_tokens: usize,
    /// How each is chosen.
    pub choice: Choice,
}

/// How many guesses a prediction holds.
const N_TOP: usize = 10;

/// How vocabularies write the token that a masked language model guesses at.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

impl Model {
    /// Continues a text, or what the decoder of two stacks reads, and returns it with the tokens that
    /// were added. `each` sees their text as it comes, and may break off.
    ///
    /// # Errors
    /// If the text is longer than the model takes, or the model does not predict a next token.
    pub fn generate(
        &self,
        input: impl Into<Input>,
        generation: &Generation,
        mut each: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Input, Error> {
        let mut input: Input = input.into();
        let prompt = input.target.clone().unwrap_or_else(|| input.text.clone());
        let mut writer = Writer::new(self.tokenizer(), prompt);
        let Generation { max_tokens, choice } = *generation;
        self.engine().generate(input.clone(), max_tokens, choice, |id| each(writer.push(id)))?;
        *input.target.as_mut().unwrap_or(&mut input.text) = writer.finish();
        Ok(input)
    }

    /// What the model expected, by the logits of a trace: at each token, given those before it; or of
    /// a masked language model, at each mask. Nothing where no logits were recorded.
    pub fn predictions(&self, trace: &Trace) -> Vec<Prediction> {
        let logits = trace.values().find(|(site, _)| site.point == Point::Logits);
        let Some((site, logits)) = logits else { return Vec::new() };
        let tokens = &trace.encoding_of(site.stack).tokens;
        let next = self.engine().predicts_next();
        // (position, row of the logits)
        let places: Vec<(usize, usize)> = if next {
            (1..tokens.len()).map(|position| (position, position - 1)).collect()
        } else {
            let is_mask = |token: &Token| token.special && MASKS.contains(&token.piece.as_str());
            (0..tokens.len()).filter(|i| is_mask(&tokens[*i])).map(|i| (i, i)).collect()
        };
        let asked: Vec<(usize, u32)> =
            places.iter().map(|(position, row)| (*row, tokens[*position].id)).collect();
        let ranked = self.engine().rank(logits, &asked, N_TOP);
        let guess = |(id, probability)| Guess { id, piece: self.piece(id), probability };
        let predictions = places.iter().zip(ranked).map(|((position, _), ranked)| Prediction {
            position: *position,
            probability: next.then_some(ranked.probability),
            top: ranked.top.into_iter().map(guess).collect(),
        });
        predictions.collect()
    }

    fn piece(&self, id: u32) -> String {
        self.tokenizer().piece(id).unwrap_or_else(|| format!("<{id}>"))
    }
}

/// Puts tokens behind a text.
struct Writer<'t> {
    tokenizer: &'t Tokenizer,
    stream: TextStream<'t>,
    encoding: Encoding,
    /// The first token whose text is not complete yet.
    pending: usize,
    /// The text that the last token completed.
    written: String,
}

impl<'t> Writer<'t> {
    fn new(tokenizer: &'t Tokenizer, encoding: Encoding) -> Writer<'t> {
        let mut stream = tokenizer.stream();
        for token in &encoding.tokens {
            stream.push(token.id);
        }
        Writer { tokenizer, stream, pending: encoding.len(), encoding, written: String::new() }
    }

    /// Adds a token; returns the text that it completes.
    fn push(&mut self, id: u32) -> &str {
        let special = self.tokenizer.is_special(id);
        self.encoding.tokens.push(Token {
            id,
            piece: self.tokenizer.piece(id).unwrap_or_else(|| format!("<{id}>")),
            span: None,
            segment: self.encoding.tokens.last().map_or(0, |token| token.segment),
            special,
            mask: true,
        });
        self.written = self.stream.push(id);
        if special {
            self.written.clear();
        }
        self.place();
        &self.written
    }

    /// Puts what was written behind the text; tokens that make up one character all stand for it.
    fn place(&mut self) {
        if self.written.is_empty() {
            return;
        }
        let start = self.encoding.text.len();
        self.encoding.text.push_str(&self.written);
        let span = start..self.encoding.text.len();
        for token in self.encoding.tokens[self.pending..].iter_mut().filter(|token| !token.special) {
            token.span = Some(span.clone());
        }
        self.pending = self.encoding.len();
        match self.encoding.parts.last_mut() {
            Some(part) => part.end = span.end,
            None => self.encoding.parts.push(span),
        }
    }

    fn finish(mut self) -> Encoding {
        self.written = std::mem::replace(&mut self.stream, self.tokenizer.stream()).finish();
        self.place();
        self.encoding
    }
}
