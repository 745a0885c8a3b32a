//! The normalization table inside a SentencePiece model: rewritings of text, found by a trie.
//!
//! The trie is a double array as Darts-clone stores it (Yata 2013): a unit holds the label of the
//! edge that leads to it, whether a value hangs there, and an offset to its children. The bytes
//! come from a file, so every index is checked; where one leads nowhere, nothing is rewritten.

use tokenizers::NormalizedString;
use unicode_segmentation::UnicodeSegmentation;

/// Rewritings of text.
pub(crate) struct Charsmap {
    units: Vec<u32>,
    /// What is written instead, each ended by a zero.
    texts: Vec<u8>,
}

/// Clusters of more bytes are never looked up as a whole by the `tokenizers` crate.
const LONGEST_CLUSTER: usize = 5;

impl Charsmap {
    /// Reads `[u32 bytes of the trie][trie][texts]`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Charsmap, String> {
        let fault = |found: String| format!("its precompiled_charsmap {found}");
        let (length, rest) =
            bytes.split_first_chunk().ok_or_else(|| fault("is shorter than its length".into()))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() {
            return Err(fault(format!("claims a trie of {length} bytes; there are {}", rest.len())));
        }
        let (trie, texts) = rest.split_at(length);
        let units = trie.chunks_exact(4).map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]));
        Ok(Charsmap { units: units.collect(), texts: texts.to_vec() })
    }

    /// The lengths of all prefixes of `text` that are rewritten, and as what, shortest first.
    fn prefixes<'s>(&'s self, text: &[u8]) -> impl Iterator<Item = (usize, &'s str)> {
        let mut node = self.units.first().map(|&root| offset(root));
        let matches =
            text.iter().take_while(|byte| **byte != 0).enumerate().map_while(move |(index, &byte)| {
                let at = node? ^ byte as usize;
                let unit = *self.units.get(at)?;
                if unit & ((1 << 31) | 0xff) != u32::from(byte) {
                    return None;
                }
                let child = at ^ offset(unit);
                node = Some(child);
                let has_value = (unit >> 8) & 1 == 1;
                Some(has_value.then(|| Some((index + 1, self.text(*self.units.get(child)?)?))).flatten())
            });
        matches.flatten()
    }

    fn text(&self, leaf: u32) -> Option<&str> {
        let from = self.texts.get((leaf & !(1 << 31)) as usize..)?;
        let end = from.iter().position(|&byte| byte == 0).unwrap_or(from.len());
        std::str::from_utf8(&from[..end]).ok()
    }

    /// The longest prefix that is rewritten: its length, and as what.
    pub(crate) fn longest<'s>(&'s self, text: &str) -> Option<(usize, &'s str)> {
        self.prefixes(text.as_bytes()).last()
    }

    /// Rewrites as the `tokenizers` crate does: of a cluster of characters that a reader takes for
    /// one, the *shortest* prefix in the table stands for all of it; else its characters one by one.
    pub(crate) fn normalize(&self, text: &mut NormalizedString) {
        let mut changes = Vec::with_capacity(text.get().len());
        let mut changed = false;
        let mut rewrite = |old: &str, new: Option<&str>| {
            changed |= new.is_some();
            replace(&mut changes, old, new.unwrap_or(old));
        };
        for cluster in text.get().graphemes(true) {
            let whole = if cluster.len() > LONGEST_CLUSTER { None } else { self.shortest(cluster) };
            if whole.is_some() {
                rewrite(cluster, whole);
                continue;
            }
            for (at, c) in cluster.char_indices() {
                let old = &cluster[at..at + c.len_utf8()];
                rewrite(old, self.shortest(old));
            }
        }
        if changed {
            text.transform(changes, 0);
        }
    }

    fn shortest<'s>(&'s self, text: &str) -> Option<&'s str> {
        self.prefixes(text.as_bytes()).next().map(|(_, new)| new)
    }
}

/// How far from a unit its children are.
fn offset(unit: u32) -> usize {
    (unit as usize >> 10) << ((unit & (1 << 9)) >> 6)
}

/// One old part written as `new`, in the crate's notation: 1 for a character that is added, minus
/// the number of those that are dropped behind one.
pub(crate) fn replace(changes: &mut Vec<(char, isize)>, old: &str, new: &str) {
    let added = new.chars().count() as isize - old.chars().count() as isize;
    let first = changes.len();
    changes.extend(new.chars().map(|c| (c, 0)));
    if added > 0 {
        changes[first..].iter_mut().rev().take(added as usize).for_each(|(_, change)| *change = 1);
    } else if let Some((_, change)) = changes.last_mut() {
        *change += added;
    }
}
