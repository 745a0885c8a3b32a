//! From ids back to text, all at once or one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Pipeline, Tokenizer};

/// The text of ids. A decoder that fails, as one of a damaged file may, leaves the pieces as they are.
pub(crate) fn decode(pipeline: &Pipeline, ids: &[u32], skip_special: bool) -> String {
    let decoded = catch_unwind(AssertUnwindSafe(|| pipeline.decode(ids, skip_special)));
    match decoded {
        Ok(Ok(text)) => text,
        _ => ids.iter().filter_map(|&id| pipeline.id_to_token(id)).collect(),
    }
}

/// Text of ids that come one after another.
///
/// What [`push`](TextStream::push) and [`finish`](TextStream::finish) return, put together, is what
/// [`Tokenizer::decode`] makes of all ids; a character whose bytes come in several tokens is held
/// back until it is whole.
pub struct TextStream<'t> {
    tokenizer: &'t Tokenizer,
    ids: Vec<u32>,
    /// Ids from here are decoded again for what is next: a token's text may depend on the one before.
    context: usize,
    /// Ids from here have not become text yet.
    pending: usize,
}

/// What a decoder writes for bytes that are no character.
const BROKEN: char = '\u{fffd}';

impl<'t> TextStream<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer) -> TextStream<'t> {
        TextStream { tokenizer, ids: Vec::new(), context: 0, pending: 0 }
    }

    /// Takes the next id; the text that it completes, which may be empty.
    pub fn push(&mut self, id: u32) -> String {
        self.ids.push(id);
        let text = self.next_text();
        if text.ends_with(BROKEN) {
            return String::new();
        }
        self.context = self.pending;
        self.pending = self.ids.len();
        text
    }

    /// What is left when no id follows: the sign for broken text, if a character stayed incomplete.
    pub fn finish(self) -> String {
        self.next_text()
    }

    fn next_text(&self) -> String {
        let before = self.tokenizer.decode(&self.ids[self.context..self.pending]);
        let all = self.tokenizer.decode(&self.ids[self.context..]);
        // Decoders that close gaps before punctuation may change the end of what was there.
        let same =
            before.chars().zip(all.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
        all[same..].to_owned()
    }
}
