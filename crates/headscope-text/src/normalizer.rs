//! What is done to a text before it is split.

use tokenizers::normalizers::Replace;
use tokenizers::{NormalizedString, NormalizerWrapper};

use crate::charsmap::Charsmap;

/// The normalizers of the `tokenizers` crate, and ours.
pub(crate) enum Normalizer {
    Crate(NormalizerWrapper),
    /// The table of a SentencePiece model.
    Charsmap(Charsmap),
    /// One behind the other.
    Sequence(Vec<Normalizer>),
}

impl tokenizers::Normalizer for Normalizer {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        match self {
            Normalizer::Crate(normalizer) => normalizer.normalize(text),
            Normalizer::Charsmap(charsmap) => {
                charsmap.normalize(text);
                Ok(())
            }
            Normalizer::Sequence(all) => all.iter().try_for_each(|normalizer| normalizer.normalize(text)),
        }
    }
}

impl Normalizer {
    /// The table of rewritings in what a `tokenizer.json` has.
    pub(crate) fn charsmap(&self) -> Option<Normalizer> {
        let Normalizer::Crate(normalizer) = self else { return None };
        let all = match normalizer {
            NormalizerWrapper::Sequence(all) => all.as_ref(),
            one => std::slice::from_ref(one),
        };
        let charsmap = all.iter().find(|one| matches!(one, NormalizerWrapper::Precompiled(_)))?;
        Some(Normalizer::Crate(charsmap.clone()))
    }

    /// One of the crate's.
    pub(crate) fn of(normalizer: impl Into<NormalizerWrapper>) -> Normalizer {
        Normalizer::Crate(normalizer.into())
    }
}

/// Writes every match of a regular expression as `content`.
pub(crate) fn rewrite(pattern: &str, content: &str) -> Result<Normalizer, String> {
    let pattern = tokenizers::normalizers::replace::ReplacePattern::Regex(pattern.into());
    Replace::new(pattern, content).map(Normalizer::of).map_err(|e| e.to_string())
}

/// Writes every `from` as `to`.
pub(crate) fn respell(from: &str, to: &str) -> Result<Normalizer, String> {
    Replace::new(from, to).map(Normalizer::of).map_err(|e| e.to_string())
}
