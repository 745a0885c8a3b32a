//! How each class writes a text before it is split, where it splits it, and how pieces become text
//! again: all of a tokenizer that does not depend on its vocabulary.

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip as StripDecoder;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::normalizers::{BertNormalizer, Lowercase, NFC, NFKD, Replace, Strip, StripAccents};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{DecoderWrapper, SplitDelimiterBehavior};

use crate::decode::Decoder;
use crate::normalizer::{Normalizer, respell, rewrite};
use crate::settings::Settings;
use crate::splitter::{self, SPACE, Splitter};

/// What stands between a text and the model.
pub(crate) struct Surface {
    pub(crate) normalizer: Option<Normalizer>,
    pub(crate) splitter: Option<Splitter>,
    pub(crate) decoder: Option<Decoder>,
}

/// The surface of a class by its settings, and by the rewritings that came with the vocabulary.
pub(crate) type Surfaces = fn(&Settings, Option<Normalizer>) -> Result<Surface, String>;

pub(crate) fn prefix_space(settings: &Settings, usual: bool) -> Result<bool, String> {
    Ok(settings.flag("add_prefix_space")?.unwrap_or(usual))
}

// ------------------------------------------------------------------- words

pub(crate) fn bert(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let do_lower_case = settings.flag("do_lower_case")?.unwrap_or(true);
    let tokenize_chinese_chars = settings.flag("tokenize_chinese_chars")?.unwrap_or(true);
    Ok(bert_words(do_lower_case, tokenize_chinese_chars, settings.flag("strip_accents")?))
}

pub(crate) fn bert_words(lower_case: bool, chinese_chars: bool, strip_accents: Option<bool>) -> Surface {
    Surface {
        normalizer: Some(Normalizer::of(BertNormalizer::new(true, chinese_chars, strip_accents, lower_case))),
        splitter: Some(Splitter::of(BertPreTokenizer)),
        decoder: Some(Decoder::Crate(WordPieceDecoder::default().into())),
    }
}

// ------------------------------------------------------------------- letters for bytes

/// Every text is a text of 256 letters, one for each byte.
pub(crate) fn byte_level(splitter: Splitter) -> Surface {
    let decoder = Some(Decoder::Crate(ByteLevel::default().into()));
    Surface { normalizer: None, splitter: Some(splitter), decoder }
}

pub(crate) fn gpt2(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    Ok(byte_level(splitter::byte_level(prefix_space(settings, false)?)))
}

pub(crate) fn gpt_neox(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    Ok(Surface { normalizer: Some(Normalizer::of(NFC)), ..gpt2(settings, None)? })
}

pub(crate) fn qwen2(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let splitter = splitter::byte_level_by(QWEN2_WORDS, prefix_space(settings, false)?)?;
    Ok(Surface { normalizer: Some(Normalizer::of(NFC)), ..byte_level(splitter) })
}

// ------------------------------------------------------------------- `▁` for spaces

/// Words split at spaces, each with a `▁` before it.
fn words(normalizer: Option<Normalizer>, split_first: bool, scheme: PrependScheme) -> Surface {
    let spaces = splitter::spaces(scheme);
    let decoder = Some(Decoder::Crate(spaces.clone().into()));
    let splitter = if split_first {
        Splitter::of(Sequence::new(vec![WhitespaceSplit.into(), spaces.into()]))
    } else {
        Splitter::of(spaces)
    };
    Surface { normalizer, splitter: Some(splitter), decoder }
}

fn scheme(settings: &Settings, without: PrependScheme) -> Result<PrependScheme, String> {
    Ok(if prefix_space(settings, true)? { PrependScheme::Always } else { without })
}

pub(crate) fn t5(_: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    Ok(words(charsmap, true, PrependScheme::Always))
}

pub(crate) fn xlm_roberta(settings: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    Ok(words(charsmap, true, scheme(settings, PrependScheme::Never)?))
}

pub(crate) fn albert(settings: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    let mut steps = vec![respell("``", "\"")?, respell("''", "\"")?];
    if !settings.flag("keep_accents")?.unwrap_or(false) {
        steps.extend([Normalizer::of(NFKD), Normalizer::of(StripAccents)]);
    }
    if settings.flag("do_lower_case")?.unwrap_or(true) {
        steps.push(Normalizer::of(Lowercase));
    }
    steps.extend(charsmap);
    Ok(words(Some(Normalizer::Sequence(steps)), true, scheme(settings, PrependScheme::Never)?))
}

pub(crate) fn deberta_v2(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let mut steps = Vec::new();
    if settings.flag("do_lower_case")?.unwrap_or(false) {
        steps.push(Normalizer::of(Lowercase));
    }
    steps.push(rewrite(r"\s{2,}|[\n\r\t]", " ")?);
    steps.extend([Normalizer::of(NFC), Normalizer::of(Strip::new(false, true))]);
    let scheme = scheme(settings, PrependScheme::First)?;
    let mut surface = words(Some(Normalizer::Sequence(steps)), false, scheme);
    if settings.flag("split_by_punct")?.unwrap_or(false) {
        let punctuation = Punctuation::new(SplitDelimiterBehavior::Isolated);
        let spaces = splitter::spaces(scheme);
        surface.splitter = Some(Splitter::of(Sequence::new(vec![punctuation.into(), spaces.into()])));
    }
    Ok(surface)
}

pub(crate) fn big_bird(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let normalizer = rewrite(" {2,}", "\u{2581}")?;
    Ok(words(Some(normalizer), false, scheme(settings, PrependScheme::Never)?))
}

pub(crate) fn mbart(_: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    Ok(words(None, true, PrependScheme::Always))
}

pub(crate) fn mbart50(_: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    let steps = charsmap.into_iter().chain([rewrite(" {2,}", " ")?]).collect();
    Ok(words(Some(Normalizer::Sequence(steps)), false, PrependScheme::Always))
}

pub(crate) fn pegasus(_: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    let first = match charsmap {
        Some(charsmap) => charsmap,
        None => rewrite(r"\n", " ")?,
    };
    let steps = vec![first, rewrite(" {2,}", " ")?];
    Ok(words(Some(Normalizer::Sequence(steps)), false, PrependScheme::Always))
}

/// The text is one word; a space goes before it, or before every part between special tokens.
pub(crate) fn llama(settings: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let legacy = settings.flag("legacy")?.unwrap_or(false);
    one_word(match prefix_space(settings, true)? {
        true if legacy => PrependScheme::Always,
        true => PrependScheme::First,
        false => PrependScheme::Never,
    })
}

pub(crate) fn one_word(scheme: PrependScheme) -> Result<Surface, String> {
    Ok(Surface {
        normalizer: None,
        splitter: Some(Splitter::of(Metaspace::new(SPACE, scheme, false))),
        decoder: Some(text_of_spaces(scheme != PrependScheme::Never)?),
    })
}

/// As Llama's, without a space before the text.
pub(crate) fn gemma(_: &Settings, _: Option<Normalizer>) -> Result<Surface, String> {
    let split =
        Split::new(" ", SplitDelimiterBehavior::MergedWithPrevious, false).map_err(|e| e.to_string())?;
    Ok(Surface {
        normalizer: Some(respell(" ", "\u{2581}")?),
        splitter: Some(Splitter::of(split)),
        decoder: Some(text_of_spaces(false)?),
    })
}

/// `▁` for spaces and no more.
pub(crate) fn plain(_: &Settings, charsmap: Option<Normalizer>) -> Result<Surface, String> {
    let steps = charsmap.into_iter().chain([respell(" ", "\u{2581}")?]).collect();
    Ok(Surface {
        normalizer: Some(Normalizer::Sequence(steps)),
        splitter: None,
        decoder: Some(text_of_spaces(false)?),
    })
}

/// Spaces for `▁`, characters for bytes; without the space before the text, if one was added.
fn text_of_spaces(strip: bool) -> Result<Decoder, String> {
    let spaces = Replace::new("\u{2581}", " ").map_err(|e| e.to_string())?;
    let mut steps: Vec<DecoderWrapper> =
        vec![spaces.into(), ByteFallback::default().into(), Fuse::default().into()];
    if strip {
        steps.push(StripDecoder::new(' ', 1, 0).into());
    }
    Ok(Decoder::Crate(Decoders::new(steps).into()))
}

/// How Qwen 2 splits words.
pub(crate) const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How Llama 3 splits words: digits by threes.
pub(crate) const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
