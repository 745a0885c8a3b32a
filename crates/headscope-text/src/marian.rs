//! Marian's tokenizer: SentencePiece as SentencePiece itself does it, and ids of a vocabulary apart.
//!
//! transformers runs this one class by the SentencePiece library and not by the `tokenizers` crate,
//! whose normalizer and arithmetic differ in corners, so both stand here once more: the longest
//! rewriting wins, and scores of paths are rounded to f32.

use std::collections::HashMap;
use std::ops::Range;

use tokenizers::{NormalizedString, Token};

use crate::bpe::Ids;
use crate::charsmap::{Charsmap, replace};
use crate::sentencepiece::{NORMAL, SentencePiece, UNIGRAM, USER_DEFINED};
use crate::splitter::SPACE;

/// How SentencePiece writes a text before it is split.
pub(crate) struct Spelling {
    charsmap: Option<Charsmap>,
    /// Pieces that are never rewritten, longest first.
    verbatim: Vec<String>,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
    whitespace_as_suffix: bool,
}

impl Spelling {
    fn of(model: &SentencePiece) -> Result<Spelling, String> {
        let user = model.pieces.iter().filter(|piece| piece.kind == USER_DEFINED);
        let mut verbatim: Vec<String> = user.map(|piece| piece.text.clone()).collect();
        verbatim.retain(|piece| !piece.is_empty());
        verbatim.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        let charsmap = Some(&model.charsmap).filter(|bytes| !bytes.is_empty());
        Ok(Spelling {
            charsmap: charsmap.map(|bytes| Charsmap::parse(bytes)).transpose()?,
            verbatim,
            add_dummy_prefix: model.add_dummy_prefix,
            remove_extra_whitespaces: model.remove_extra_whitespaces,
            escape_whitespaces: model.escape_whitespaces,
            whitespace_as_suffix: model.whitespace_as_suffix,
        })
    }

    /// The begin of `text` that is rewritten at once, and as what.
    fn prefix<'a>(&'a self, text: &'a str) -> (&'a str, &'a str) {
        if let Some(kept) = self.verbatim.iter().find(|piece| text.starts_with(piece.as_str())) {
            let kept = &text[..kept.len()];
            return (kept, kept);
        }
        let rewritten = self.charsmap.as_ref().and_then(|charsmap| charsmap.longest(text));
        if let Some((length, new)) = rewritten.filter(|(length, _)| text.is_char_boundary(*length)) {
            return (&text[..length], new);
        }
        let first = &text[..text.chars().next().map_or(0, char::len_utf8)];
        (first, first)
    }

    /// Spells a text; what each character stands for is kept.
    pub(crate) fn apply(&self, text: &mut NormalizedString) {
        let whole = text.get().to_owned();
        let mut rest = whole.as_str();
        let mut skipped = 0;
        while self.remove_extra_whitespaces && !rest.is_empty() {
            let (old, new) = self.prefix(rest);
            if new != " " {
                break;
            }
            rest = &rest[old.len()..];
            skipped += old.chars().count();
        }
        let mut changes = Vec::with_capacity(rest.len() + 1);
        if !rest.is_empty() {
            self.spell(rest, &mut changes);
        }
        text.transform(changes, skipped);
    }

    fn spell(&self, mut rest: &str, changes: &mut Vec<(char, isize)>) {
        let space = if self.escape_whitespaces { SPACE } else { ' ' };
        if self.add_dummy_prefix && !self.whitespace_as_suffix {
            changes.push((space, 1));
        }
        let mut after_space = self.remove_extra_whitespaces;
        while !rest.is_empty() {
            let (old, new) = self.prefix(rest);
            let new = if after_space { new.trim_start_matches(' ') } else { new };
            replace(changes, old, &new.replace(' ', space.encode_utf8(&mut [0; 4])));
            if !new.is_empty() {
                after_space = new.ends_with(' ') && self.remove_extra_whitespaces;
            }
            rest = &rest[old.len()..];
        }
        while self.remove_extra_whitespaces && changes.last().is_some_and(|(c, _)| *c == space) {
            drop_last(changes);
        }
        if self.add_dummy_prefix && self.whitespace_as_suffix {
            changes.push((space, 1));
        }
    }
}

/// Takes the last character away; what it stood for goes with the one before.
fn drop_last(changes: &mut Vec<(char, isize)>) {
    let Some((_, change)) = changes.pop() else { return };
    if let Some((_, before)) = changes.last_mut() {
        *before -= 1 - change;
    }
}

/// Most probable pieces, and their ids in a `vocab.json`.
pub(crate) struct Marian {
    pieces: HashMap<String, Scored>,
    longest_piece_bytes: usize,
    unknown_score: f32,
    as_bytes: bool,
    ids: Ids,
    names: HashMap<u32, String>,
    unknown: u32,
}

/// The score of a piece; what the user defined costs next to nothing.
enum Scored {
    Normal(f32),
    User,
}

impl Marian {
    pub(crate) fn new(
        model: &SentencePiece,
        ids: Ids,
        unk_token: &str,
    ) -> Result<(Marian, Spelling), String> {
        if model.kind != UNIGRAM {
            return Err(format!(
                "its model_type is {}; supported with MarianTokenizer is {UNIGRAM}",
                model.kind
            ));
        }
        let unknown = *ids.get(unk_token).ok_or_else(|| format!("its vocab.json lacks {unk_token:?}"))?;
        let normal = model.pieces.iter().filter(|piece| piece.kind == NORMAL);
        let worst = normal.map(|piece| piece.score).fold(f32::MAX, f32::min);
        let scored = model.pieces.iter().filter_map(|piece| match piece.kind {
            NORMAL => Some((piece.text.clone(), Scored::Normal(piece.score))),
            USER_DEFINED => Some((piece.text.clone(), Scored::User)),
            _ => None, // control, unknown and byte pieces stand for no text, those out of use for none any more
        });
        let marian = Marian {
            pieces: scored.collect(),
            longest_piece_bytes: model.pieces.iter().map(|piece| piece.text.len()).max().unwrap_or(0),
            unknown_score: worst - 10.0,
            as_bytes: model.byte_fallback,
            names: ids.iter().map(|(piece, id)| (*id, piece.clone())).collect(),
            ids,
            unknown,
        };
        Ok((marian, Spelling::of(model)?))
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    pub(crate) fn unknown(&self) -> u32 {
        self.unknown
    }

    /// The tokens of a spelled text, or of a language code.
    pub(crate) fn split(&self, text: &str) -> Vec<Token> {
        if language_code(text) == Some(text.len()) {
            return vec![self.token(text, 0..text.len())];
        }
        let mut tokens: Vec<Token> = Vec::new();
        let mut unknown_from = None;
        for (range, known) in self.best_path(text) {
            if known {
                unknown_from = None;
            } else if self.as_bytes {
                let bytes = text[range.clone()].bytes();
                tokens.extend(bytes.map(|byte| self.token(&format!("<0x{byte:02X}>"), range.clone())));
                continue;
            } else if let Some(from) = unknown_from {
                // Unknown characters in a row are one piece.
                tokens.pop();
                tokens.push(self.token(&text[from..range.end], from..range.end));
                continue;
            } else {
                unknown_from = Some(range.start);
            }
            tokens.push(self.token(&text[range.clone()], range));
        }
        tokens
    }

    fn token(&self, piece: &str, range: Range<usize>) -> Token {
        let id = self.ids.get(piece).copied().unwrap_or(self.unknown);
        Token::new(id, piece.to_owned(), (range.start, range.end))
    }

    /// The ranges of the most probable pieces (Viterbi), and whether each is a piece at all.
    fn best_path(&self, text: &str) -> Vec<(Range<usize>, bool)> {
        let mut ends: Vec<Option<Node>> = vec![None; text.len() + 1];
        for (start, first) in text.char_indices() {
            let so_far = ends[start].as_ref().map_or(0.0, |node| node.score);
            let mut offer = |end: usize, score: f32, known: bool| {
                if ends[end].as_ref().is_none_or(|node| score > node.score) {
                    ends[end] = Some(Node { start, score, known });
                }
            };
            let first_end = start + first.len_utf8();
            let reach = text.floor_char_boundary(start + self.longest_piece_bytes);
            let mut alone = false;
            for end in (first_end..=reach).filter(|end| text.is_char_boundary(*end)) {
                let score = match self.pieces.get(&text[start..end]) {
                    Some(Scored::Normal(score)) => *score,
                    Some(Scored::User) => -0.1,
                    None => continue,
                };
                offer(end, score + so_far, true);
                alone |= end == first_end;
            }
            if !alone {
                offer(first_end, self.unknown_score + so_far, false);
            }
        }
        let mut path = Vec::new();
        let mut end = text.len();
        while let Some(node) = &ends[end] {
            path.push((node.start..end, node.known));
            end = node.start;
        }
        path.reverse();
        path
    }
}

/// The end of the best path up to a place in the text.
#[derive(Clone)]
struct Node {
    start: usize,
    score: f32,
    known: bool,
}

/// The length of a language code at the begin of a text, `>>fra<<`.
fn language_code(text: &str) -> Option<usize> {
    text.strip_prefix(">>")?.find("<<").map(|at| at + 4)
}

/// Parts a language code from what follows, which is spelled.
pub(crate) fn pre_tokenize(
    spelling: &Spelling,
    text: NormalizedString,
) -> tokenizers::Result<Vec<NormalizedString>> {
    let code = language_code(text.get()).unwrap_or(0);
    let length = text.get().len();
    let mut parts = Vec::new();
    for (range, spelled) in [(0..code, false), (code..length, true)] {
        let part = text.slice(tokenizers::normalizer::Range::Normalized(range));
        let Some(mut part) = part.filter(|part| !part.is_empty()) else { continue };
        if spelled {
            spelling.apply(&mut part);
        }
        parts.push(part);
    }
    Ok(parts)
}
