//! A vocabulary that loads fast: one string and one table instead of two allocations a piece.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

/// Ids are indices into an embedding table; a larger one is a damaged file.
const LARGEST_ID: u32 = i32::MAX as u32;

/// Pieces by id and ids by piece.
pub(crate) struct Vocabulary {
    text: String,
    /// Sorted by id.
    entries: Vec<Entry>,
    /// Open addressing with linear probing; indices into `entries`, or `FREE`.
    slots: Vec<u32>,
    hasher: RandomState,
    longest_piece_bytes: usize,
}

struct Entry {
    id: u32,
    piece: Range<usize>,
}

const FREE: u32 = u32::MAX;

impl Vocabulary {
    /// One piece a line; its id is the number of the line, from 0.
    pub(crate) fn from_lines(text: String) -> Vocabulary {
        let mut entries = Vec::new();
        let mut start = 0;
        for (id, line) in text.split_terminator('\n').enumerate() {
            let piece = start..start + line.strip_suffix('\r').unwrap_or(line).len();
            entries.push(Entry { id: id as u32, piece });
            start += line.len() + 1;
        }
        Vocabulary::new(text, entries)
    }

    fn new(text: String, mut entries: Vec<Entry>) -> Vocabulary {
        entries.sort_by_key(|entry| entry.id);
        let mut vocabulary = Vocabulary {
            slots: vec![FREE; (entries.len() * 2).next_power_of_two()],
            hasher: RandomState::new(),
            longest_piece_bytes: entries.iter().map(|e| e.piece.len()).max().unwrap_or(0),
            text,
            entries,
        };
        // Of a piece that stands there twice the last one counts, as in a Python dict.
        for index in 0..vocabulary.entries.len() {
            let piece = &vocabulary.text[vocabulary.entries[index].piece.clone()];
            let slot = vocabulary.slot(piece);
            vocabulary.slots[slot] = index as u32;
        }
        vocabulary
    }

    /// The slot that holds `piece`, or the free one where it belongs.
    fn slot(&self, piece: &str) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(piece) as usize & last;
        // The table is at most half full, so the walk ends.
        while self.slots[slot] != FREE && self.piece_at(self.slots[slot]) != piece {
            slot = (slot + 1) & last;
        }
        slot
    }

    fn piece_at(&self, index: u32) -> &str {
        &self.text[self.entries[index as usize].piece.clone()]
    }

    pub(crate) fn id(&self, piece: &str) -> Option<u32> {
        let index = self.slots[self.slot(piece)];
        (index != FREE).then(|| self.entries[index as usize].id)
    }

    pub(crate) fn piece(&self, id: u32) -> Option<&str> {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id);
        index.ok().map(|index| self.piece_at(index as u32))
    }

    /// In the order of the ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.entries.iter().map(|entry| (&self.text[entry.piece.clone()], entry.id))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn longest_piece_bytes(&self) -> usize {
        self.longest_piece_bytes
    }
}

impl<'de> serde::Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Vocabulary, D::Error> {
        d.deserialize_map(Map)
    }
}

/// `{"piece": id, …}`
struct Map;

impl<'de> Visitor<'de> for Map {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object of pieces and their ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
        let (mut text, mut entries) = (String::new(), Vec::new());
        while let Some(piece) = map.next_key_seed(Append(&mut text))? {
            let id: u32 = map.next_value()?;
            if id > LARGEST_ID {
                let piece = &text[piece];
                return Err(A::Error::custom(format!(
                    "the id of {piece:?} is {id}; expected at most {LARGEST_ID}"
                )));
            }
            entries.push(Entry { id, piece });
        }
        Ok(Vocabulary::new(text, entries))
    }
}

/// Appends a string of the file to another, without one of its own in between.
struct Append<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Range<usize>, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a piece")
    }

    fn visit_str<E>(self, piece: &str) -> Result<Range<usize>, E> {
        let start = self.0.len();
        self.0.push_str(piece);
        Ok(start..self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_ids_find_each_other() {
        let lines = Vocabulary::from_lines("[UNK]\nthe\r\n##é\n\nthe\n".into());
        assert_eq!(lines.len(), 5);
        assert_eq!(lines.id("##é"), Some(2));
        assert_eq!(lines.id("the"), Some(4)); // the last of two
        assert_eq!(lines.id(""), Some(3));
        assert_eq!(lines.id("cat"), None);
        assert_eq!(lines.piece(1), Some("the"));
        assert_eq!(lines.piece(5), None);

        let map: Vocabulary = serde_json::from_str(r#"{"b\n": 7, "a": 2}"#).unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), [("a", 2), ("b\n", 7)]);
        assert_eq!((map.id("b\n"), map.piece(7), map.piece(3)), (Some(7), Some("b\n"), None));
        assert_eq!(Vocabulary::from_lines(String::new()).id("a"), None);
    }

    #[test]
    fn impossible_ids_are_refused() {
        for (json, expected) in [
            (r#"{"a": 4000000000}"#, "at most 2147483647"),
            (r#"{"a": -1}"#, "invalid value"),
            (r#"["a"]"#, "an object of pieces and their ids"),
        ] {
            let error = serde_json::from_str::<Vocabulary>(json).err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
