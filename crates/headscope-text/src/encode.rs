//! From the crate's encoding to ours.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use headscope_trace::{Encoding, Token};
use tokenizers::{PostProcessor, PostProcessorWrapper};

use crate::{Part, Pipeline, TextError};

/// An encoding whose tokens still know which text they are of.
pub(crate) struct Draft {
    text: String,
    parts: Vec<Range<usize>>,
    /// Each token with the index of its text; none for added ones.
    tokens: Vec<(Token, Option<usize>)>,
}

/// Tokenizes one text or two, within the pipeline's own frame or another.
pub(crate) fn encode(
    pipeline: &Pipeline,
    frame: Option<&PostProcessorWrapper>,
    text: &str,
    pair: Option<&str>,
) -> Result<Draft, TextError> {
    let names: &[Part] = match pair {
        None => &[Part::Only],
        Some(_) => &[Part::First, Part::Second],
    };
    for (&part, text) in names.iter().zip([text].into_iter().chain(pair)) {
        check_text(part, text)?;
    }
    let encoded = split(pipeline, frame, text, pair).map_err(|detail| TextError::Split { detail })?;
    let draft = Draft::new(pipeline, &encoded, text, pair);
    for (index, &part) in names.iter().enumerate() {
        if draft.len_of(index) == 0 {
            let found = "holds only characters that the tokenizer drops";
            return Err(TextError::Empty { part, found });
        }
    }
    Ok(draft)
}

/// The crate's encoding. A tokenizer file is untrusted, and not all that the crate reads it can
/// also run.
fn split(
    pipeline: &Pipeline,
    frame: Option<&PostProcessorWrapper>,
    text: &str,
    pair: Option<&str>,
) -> Result<tokenizers::Encoding, String> {
    let run = || match (frame, pair) {
        (None, None) => pipeline.encode(text, true),
        (None, Some(pair)) => pipeline.encode((text, pair), true),
        (Some(frame), None) => frame.process(pipeline.encode(text, false)?, None, true),
        (Some(frame), Some(pair)) => {
            frame.process(pipeline.encode(text, false)?, Some(pipeline.encode(pair, false)?), true)
        }
    };
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| "its parts do not fit together".to_owned())?
        .map_err(|e| e.to_string())
}

fn check_text(part: Part, text: &str) -> Result<(), TextError> {
    let found = match text {
        "" => "is empty",
        _ if text.trim().is_empty() => "holds only spaces",
        _ => return Ok(()),
    };
    Err(TextError::Empty { part, found })
}

/// Whether an id is one of the model's special tokens. The unknown token is not counted: it
/// stands for a word, which must not vanish when special tokens are hidden.
pub(crate) fn is_special(pipeline: &Pipeline, id: u32) -> bool {
    let added = pipeline.get_added_vocabulary().get_added_tokens_decoder();
    added.get(&id).is_some_and(|token| token.special) && pipeline.get_model().unknown() != Some(id)
}

impl Draft {
    fn new(pipeline: &Pipeline, encoded: &tokenizers::Encoding, text: &str, pair: Option<&str>) -> Draft {
        let joined: String = [text].into_iter().chain(pair).collect::<Vec<_>>().join("\n");
        let first = 0..text.len();
        let second = pair.map(|_| text.len() + 1..joined.len());
        let parts: Vec<_> = [first].into_iter().chain(second).collect();
        let segments = segments(encoded);
        let of_text = encoded.get_sequence_ids();
        let tokens = (0..encoded.len())
            .map(|i| {
                let id = encoded.get_ids()[i];
                let added = encoded.get_special_tokens_mask()[i] == 1;
                let part = of_text[i].filter(|_| !added);
                let token = Token {
                    id,
                    piece: encoded.get_tokens()[i].clone(),
                    span: part.and_then(|part| span(&joined, &parts[part], encoded.get_offsets()[i])),
                    segment: segments[i],
                    special: added || is_special(pipeline, id),
                    mask: true,
                };
                (token, part)
            })
            .collect();
        Draft { text: joined, parts, tokens }
    }

    /// The number of tokens of one of the texts.
    fn len_of(&self, part: usize) -> usize {
        self.tokens.iter().filter(|(_, p)| *p == Some(part)).count()
    }

    /// Drops tokens from the ends of the texts until `max_tokens` are left.
    pub(crate) fn truncate(&mut self, max_tokens: usize) -> Result<(), TextError> {
        let lens = [self.len_of(0), self.len_of(1)];
        let added = self.tokens.len() - lens[0] - lens[1];
        let needed = added + self.parts.len();
        if max_tokens < needed {
            return Err(TextError::NoRoom { max_tokens, needed });
        }
        let mut left = longest_first(lens, max_tokens - added);
        self.tokens.retain(|(_, part)| match part {
            None => true,
            Some(part) if left[*part] == 0 => false,
            Some(part) => {
                left[*part] -= 1;
                true
            }
        });
        Ok(())
    }

    pub(crate) fn finish(self) -> Encoding {
        Encoding {
            text: self.text,
            parts: self.parts,
            tokens: self.tokens.into_iter().map(|(token, _)| token).collect(),
        }
    }
}

/// How many tokens of two texts stay if `room` are left: the longer is cut first, then both
/// alike, and of an odd room the one that was longer has the better half.
fn longest_first([a, b]: [usize; 2], room: usize) -> [usize; 2] {
    let (short, long) = (a.min(b), a.max(b));
    let short_kept = short.min(room / 2);
    let long_kept = long.min(room - short_kept);
    if a <= b { [short_kept, long_kept] } else { [long_kept, short_kept] }
}

/// The bytes of the joined text that a token stands for, widened to whole characters; none if it
/// stands for no text, like the mark that some tokenizers put before the first word.
fn span(text: &str, part: &Range<usize>, (start, end): (usize, usize)) -> Option<Range<usize>> {
    let start = text.floor_char_boundary((part.start + start).min(part.end));
    let end = text.ceil_char_boundary((part.start + end).min(part.end));
    (start < end).then_some(start..end)
}

/// The model's own token types where it has them, else 0 up to the second text and 1 from there.
fn segments(encoded: &tokenizers::Encoding) -> Vec<u32> {
    let types = encoded.get_type_ids();
    if types.iter().any(|&t| t != 0) {
        return types.to_vec();
    }
    let mut segment = 0;
    let of_text = encoded.get_sequence_ids();
    of_text
        .into_iter()
        .map(|part| {
            segment = part.map_or(segment, |part| part as u32);
            segment
        })
        .collect()
}
