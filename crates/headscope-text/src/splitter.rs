//! How a normalized text is split into words, before these are split into pieces.

use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizedString, SplitDelimiterBehavior};

use crate::marian::{self, Spelling};

/// The splitters of the `tokenizers` crate, and ours.
pub(crate) enum Splitter {
    Crate(PreTokenizerWrapper),
    /// Parts a language code from a text, and spells what is left.
    Marian(Spelling),
}

impl tokenizers::PreTokenizer for Splitter {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        match self {
            Splitter::Crate(splitter) => splitter.pre_tokenize(text),
            Splitter::Marian(spelling) => text.split(|_, part| marian::pre_tokenize(spelling, part)),
        }
    }
}

impl Splitter {
    /// Whether it writes bytes as letters.
    pub(crate) fn is_byte_level(&self) -> bool {
        fn any(splitter: &PreTokenizerWrapper) -> bool {
            match splitter {
                PreTokenizerWrapper::ByteLevel(_) => true,
                PreTokenizerWrapper::Sequence(all) => all.as_ref().iter().any(any),
                _ => false,
            }
        }
        matches!(self, Splitter::Crate(splitter) if any(splitter))
    }

    /// One of the crate's.
    pub(crate) fn of(splitter: impl Into<PreTokenizerWrapper>) -> Splitter {
        Splitter::Crate(splitter.into())
    }
}

/// What SentencePiece writes for a space.
pub(crate) const SPACE: char = '\u{2581}';

/// Letters for bytes, words split as in GPT-2.
pub(crate) fn byte_level(add_prefix_space: bool) -> Splitter {
    Splitter::of(ByteLevel::new(add_prefix_space, true, true))
}

/// Letters for bytes, words split by a pattern.
pub(crate) fn byte_level_by(pattern: &str, add_prefix_space: bool) -> Result<Splitter, String> {
    let pattern = SplitPattern::Regex(pattern.into());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(|e| e.to_string())?;
    let bytes = ByteLevel::new(add_prefix_space, true, false);
    Ok(Splitter::of(Sequence::new(vec![split.into(), bytes.into()])))
}

/// `▁` for spaces, and one before the text if `scheme` says so; each begins a word.
pub(crate) fn spaces(scheme: PrependScheme) -> Metaspace {
    Metaspace::new(SPACE, scheme, true)
}
