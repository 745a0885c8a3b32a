//! A text as the model reads it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its row in the embedding table; [`UNKNOWN_ID`](Token::UNKNOWN_ID) where only the piece is known.
    pub id: u32,
    /// Its entry in the vocabulary, as the tokenizer spells it (`##ing`, `Ġthe`).
    pub piece: String,
    /// The bytes of [`Encoding::text`] it stands for; none for a token that was added.
    #[serde(with = "span")]
    pub span: Option<Range<usize>>,
    /// 0 for the first text of a pair, 1 for the second.
    pub segment: u32,
    /// Whether it is one of the model's special tokens (`[CLS]`, `</s>`).
    pub special: bool,
    /// Whether other tokens may attend to it; false for padding.
    pub mask: bool,
}

impl Token {
    /// The id of a token that was given as a piece alone.
    pub const UNKNOWN_ID: u32 = u32::MAX;
}

/// A text, or a pair of texts, as tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// What was tokenized; the texts of a pair are joined by a line break.
    pub text: String,
    /// The bytes of `text` that each of the texts takes.
    #[serde(with = "parts")]
    pub parts: Vec<Range<usize>>,
    /// The tokens, special ones included.
    pub tokens: Vec<Token>,
}

impl Encoding {
    /// An encoding of raw ids: no text, no special tokens, one segment.
    pub fn from_ids(ids: &[u32], piece: impl Fn(u32) -> String) -> Encoding {
        let token =
            |&id: &u32| Token { id, piece: piece(id), span: None, segment: 0, special: false, mask: true };
        Encoding { text: String::new(), parts: Vec::new(), tokens: ids.iter().map(token).collect() }
    }

    /// A target as a decoder reads it to score each of its tokens: one to the right, behind `start`. The
    /// end mark, which is scored and never read, goes; where no token is first in all texts, it comes first.
    pub fn shifted_right(mut self, start: Option<Token>) -> Encoding {
        let last = self.tokens.pop_if(|token| token.special);
        if let Some(first) = start.or(last) {
            self.tokens.insert(0, Token { span: None, ..first });
        }
        self
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The texts that were tokenized: none, one, or a pair.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| &self.text[part.clone()])
    }

    /// Which tokens may be attended to, or `None` if all may.
    pub fn padding(&self) -> Option<Vec<bool>> {
        let mask: Vec<bool> = self.tokens.iter().map(|token| token.mask).collect();
        mask.contains(&false).then_some(mask)
    }

    /// What is wrong with ranges that do not lie in the text, for an encoding read from a file.
    pub(crate) fn fault(&self) -> Option<String> {
        let outside = |range: &Range<usize>| self.text.get(range.clone()).is_none();
        if let Some(part) = self.parts.iter().find(|part| outside(part)) {
            return Some(format!("part {part:?} lies outside the text of {} bytes", self.text.len()));
        }
        let spans = self.tokens.iter().enumerate().filter_map(|(i, token)| Some((i, token.span.as_ref()?)));
        let (i, span) = spans.into_iter().find(|(_, span)| outside(span))?;
        Some(format!("token {i} spans {span:?}, outside the text of {} bytes", self.text.len()))
    }
}

/// A range as `[start, end]`, shorter and more usual in JSON than serde's `{start, end}`.
mod span {
    use super::{Deserialize, Range, Serialize};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Option<Range<usize>>, s: S) -> Result<S::Ok, S::Error> {
        span.as_ref().map(|span| [span.start, span.end]).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Range<usize>>, D::Error> {
        Ok(Option::<[usize; 2]>::deserialize(d)?.map(|[start, end]| start..end))
    }
}

/// Ranges as `[[start, end], …]`.
mod parts {
    use super::{Deserialize, Range, Serialize};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(parts: &[Range<usize>], s: S) -> Result<S::Ok, S::Error> {
        parts.iter().map(|part| [part.start, part.end]).collect::<Vec<_>>().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Range<usize>>, D::Error> {
        Ok(Vec::<[usize; 2]>::deserialize(d)?.into_iter().map(|[start, end]| start..end).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compact_and_round_trips() {
        let encoding = Encoding {
            text: "a\nb".into(),
            parts: vec![0..1, 2..3],
            tokens: vec![Token {
                id: 9,
                piece: "b".into(),
                span: Some(2..3),
                segment: 1,
                special: false,
                mask: true,
            }],
        };
        let json = serde_json::to_string(&encoding).unwrap();
        assert_eq!(
            json,
            r#"{"text":"a\nb","parts":[[0,1],[2,3]],"tokens":[{"id":9,"piece":"b","span":[2,3],"segment":1,"special":false,"mask":true}]}"#
        );
        assert_eq!(serde_json::from_str::<Encoding>(&json).unwrap(), encoding);
        assert_eq!(encoding.texts().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_target_is_read_one_to_the_right() {
        let target = |ids: &[u32]| {
            let mut encoding = Encoding::from_ids(ids, |id| id.to_string());
            encoding.tokens.iter_mut().for_each(|token| token.special = token.id < 3);
            encoding
        };
        let start = target(&[0]).tokens.pop();
        let rows: [(&[u32], _, &[u32]); 4] = [
            (&[7, 8, 1], start.clone(), &[0, 7, 8]), // T5
            (&[7, 8, 1, 2], None, &[2, 7, 8, 1]),    // mBART, whose texts end with their language
            (&[7, 8], start, &[0, 7, 8]),            // nothing marks the end
            (&[7, 8], None, &[7, 8]),
        ];
        for (ids, start, expected) in rows {
            let shifted = target(ids).shifted_right(start);
            assert_eq!(shifted.tokens.iter().map(|token| token.id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn ranges_outside_the_text_are_found() {
        let mut encoding = Encoding::from_ids(&[1], |_| "x".into());
        assert_eq!(encoding.fault(), None);
        encoding.text = "é".into();
        encoding.tokens[0].span = Some(0..1); // half a letter
        assert!(encoding.fault().unwrap().contains("token 0"));
        encoding.parts = vec![Range { start: 2, end: 1 }];
        assert!(encoding.fault().unwrap().contains("part 2..1"));
    }
}
