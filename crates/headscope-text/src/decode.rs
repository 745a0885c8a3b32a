//! From ids back to text, all at once or one by one.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::DecoderWrapper;

use crate::splitter::SPACE;
use crate::{Pipeline, Tokenizer};

/// The decoders of the `tokenizers` crate, and ours.
pub(crate) enum Decoder {
    Crate(DecoderWrapper),
    /// SentencePiece's, with a space behind each of these tokens.
    Marian(HashSet<String>),
}

impl tokenizers::Decoder for Decoder {
    fn decode_chain(&self, pieces: Vec<String>) -> tokenizers::Result<Vec<String>> {
        match self {
            Decoder::Crate(decoder) => decoder.decode_chain(pieces),
            Decoder::Marian(special) => Ok(vec![marian(special, &pieces)]),
        }
    }
}

fn marian(special: &HashSet<String>, pieces: &[String]) -> String {
    let mut text = String::new();
    let mut fresh = true;
    for piece in pieces {
        if special.contains(piece) {
            text += piece;
            text.push(' ');
        } else {
            text += if fresh { piece.strip_prefix(SPACE).unwrap_or(piece) } else { piece };
        }
        fresh = special.contains(piece);
    }
    text.replace(SPACE, " ").trim().to_owned()
}

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
        if text.is_empty() || text.ends_with(BROKEN) {
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
