//! The ways to split text of today's decoders, which a folder and a GGUF file share.

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::{DecoderWrapper, SplitDelimiterBehavior};

use crate::assembly::Parts;
use crate::bpe::{self, Ids, Merge, Unknown};
use crate::decode::Decoder;
use crate::normalizer;
use crate::splitter::{SPACE, Splitter};

/// GPT-2's: every text is a text of 256 letters, one for each byte.
pub(crate) fn byte_level(ids: Ids, merges: Vec<Merge>, splitter: Splitter) -> Result<Parts, String> {
    Ok(Parts {
        model: bpe::model(ids, merges, Unknown::default())?,
        normalizer: None,
        splitter: Some(splitter),
        decoder: Some(Decoder::Crate(ByteLevel::default().into())),
    })
}

/// Llama's: the text is one word, spaces are `▁`, and characters without a piece are bytes.
pub(crate) fn llama(ids: Ids, merges: Vec<Merge>, scheme: PrependScheme) -> Result<Parts, String> {
    let unknown = Unknown { token: None, fused: true, as_bytes: true };
    Ok(Parts {
        model: bpe::model(ids, merges, unknown)?,
        normalizer: None,
        splitter: Some(llama_spaces(scheme)),
        decoder: Some(spaces_and(true, scheme != PrependScheme::Never)?),
    })
}

/// `▁` for spaces, with no split there.
pub(crate) fn llama_spaces(scheme: PrependScheme) -> Splitter {
    Splitter::of(Metaspace::new(SPACE, scheme, false))
}

/// Gemma's: as Llama's, without a space before the text.
pub(crate) fn gemma(ids: Ids, merges: Vec<Merge>, unk_token: &str) -> Result<Parts, String> {
    let unknown = Unknown { token: Some(unk_token.into()), fused: true, as_bytes: true };
    let split =
        Split::new(" ", SplitDelimiterBehavior::MergedWithPrevious, false).map_err(|e| e.to_string())?;
    Ok(Parts {
        model: bpe::model(ids, merges, unknown)?,
        normalizer: Some(normalizer::respell(" ", "\u{2581}")?),
        splitter: Some(Splitter::of(split)),
        decoder: Some(spaces_and(true, false)?),
    })
}

/// Spaces for `▁`, characters for bytes; without the space before the text, if one was added.
pub(crate) fn spaces_and(bytes: bool, strip: bool) -> Result<Decoder, String> {
    let spaces = Replace::new("\u{2581}", " ").map_err(|e| e.to_string())?;
    let mut steps: Vec<DecoderWrapper> = vec![spaces.into()];
    if bytes {
        steps.push(ByteFallback::default().into());
    }
    steps.push(Fuse::default().into());
    if strip {
        steps.push(Strip::new(' ', 1, 0).into());
    }
    Ok(Decoder::Crate(Sequence::new(steps).into()))
}

/// How Qwen 2 splits words.
pub(crate) const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How Llama 3 splits words: digits by threes.
pub(crate) const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
