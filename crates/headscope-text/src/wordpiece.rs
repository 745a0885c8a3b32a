//! BERT's tokenizer from a plain `vocab.txt`, as transformers builds it.

use serde::Deserialize;
use tokenizers::AddedToken;
use tokenizers::processors::bert::BertProcessing;

use crate::model::{Model, WordPiece};
use crate::vocabulary::Vocabulary;
use crate::{Pipeline, TextError, assembly, surface};

/// Classes of transformers that split a text in BERT's way.
const CLASSES: [&str; 7] = [
    "BertTokenizer",
    "ConvBertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "LayoutLMTokenizer",
    "MobileBertTokenizer",
    "SqueezeBertTokenizer",
];

/// Words of more characters become `[UNK]`; transformers offers no option for it either.
const MAX_CHARS: usize = 100;

/// What a `tokenizer_config.json` says about a `vocab.txt`. The defaults are those of
/// transformers, for models that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VocabOptions {
    /// Whether the vocabulary knows small letters only.
    pub do_lower_case: bool,
    /// Whether each Chinese character is a word.
    pub tokenize_chinese_chars: bool,
    /// Whether accents are dropped; when absent, they are if letters are made small.
    pub strip_accents: Option<bool>,
    /// The token of words that cannot be split, `[UNK]`.
    pub unk_token: String,
    /// The token before the text, `[CLS]`.
    pub cls_token: String,
    /// The token after each text, `[SEP]`.
    pub sep_token: String,
    /// Further special tokens, which are never split: `[PAD]`, `[MASK]`.
    pub others: Vec<String>,
}

impl Default for VocabOptions {
    fn default() -> VocabOptions {
        VocabOptions {
            do_lower_case: true,
            tokenize_chinese_chars: true,
            strip_accents: None,
            unk_token: "[UNK]".into(),
            cls_token: "[CLS]".into(),
            sep_token: "[SEP]".into(),
            others: vec!["[PAD]".into(), "[MASK]".into()],
        }
    }
}

/// A token as `tokenizer_config.json` writes it: its text, or an object with more.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Plain(String),
    Full { content: String },
}

impl Name {
    fn or(name: Option<Name>, default: String) -> String {
        match name {
            Some(Name::Plain(content) | Name::Full { content }) => content,
            None => default,
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    strip_accents: Option<bool>,
    unk_token: Option<Name>,
    cls_token: Option<Name>,
    sep_token: Option<Name>,
    pad_token: Option<Name>,
    mask_token: Option<Name>,
}

impl VocabOptions {
    /// Reads a `tokenizer_config.json`. `never_split` and `do_basic_tokenize` are passed over,
    /// as transformers 5 does.
    ///
    /// # Errors
    /// If the bytes are not such a file, or name a tokenizer that splits in another way.
    pub fn from_json(bytes: &[u8]) -> Result<VocabOptions, TextError> {
        let fault = |detail| TextError::File { file: "tokenizer_config.json".into(), detail };
        let config: ConfigFile =
            serde_json::from_slice(bytes).map_err(|e| fault(format!("it does not parse: {e}")))?;
        let unknown_class =
            config.tokenizer_class.filter(|class| !CLASSES.contains(&class.trim_end_matches("Fast")));
        if let Some(class) = unknown_class {
            return Err(fault(format!(
                "its tokenizer_class is {class:?}; supported with a vocab.txt are {}",
                CLASSES.join(", ")
            )));
        }
        let default = VocabOptions::default();
        let others = [(config.pad_token, "[PAD]"), (config.mask_token, "[MASK]")];
        Ok(VocabOptions {
            do_lower_case: config.do_lower_case.unwrap_or(default.do_lower_case),
            tokenize_chinese_chars: config.tokenize_chinese_chars.unwrap_or(default.tokenize_chinese_chars),
            strip_accents: config.strip_accents,
            unk_token: Name::or(config.unk_token, default.unk_token),
            cls_token: Name::or(config.cls_token, default.cls_token),
            sep_token: Name::or(config.sep_token, default.sep_token),
            others: others.map(|(name, usual)| Name::or(name, usual.into())).into(),
        })
    }
}

/// The pipeline of transformers' `BertTokenizer` over a vocabulary of one piece a line.
pub(crate) fn pipeline(bytes: &[u8], options: &VocabOptions) -> Result<Pipeline, TextError> {
    build(bytes, options).map_err(|detail| TextError::File { file: "vocab.txt".into(), detail })
}

fn build(bytes: &[u8], options: &VocabOptions) -> Result<Pipeline, String> {
    let VocabOptions { do_lower_case, tokenize_chinese_chars, strip_accents, .. } = *options;
    let surface = surface::bert_words(do_lower_case, tokenize_chinese_chars, strip_accents);
    let mut pipeline = assembly::pipeline(model(bytes, &options.unk_token)?, surface)?;
    let needed = |piece: &str| {
        let id = pipeline.token_to_id(piece);
        id.map(|id| (piece.to_owned(), id)).ok_or_else(|| lacks(pipeline.get_vocab_size(false), piece))
    };
    let processor = BertProcessing::new(needed(&options.sep_token)?, needed(&options.cls_token)?);
    needed(&options.unk_token)?;

    let named = [&options.unk_token, &options.cls_token, &options.sep_token];
    let special: Vec<AddedToken> = named
        .into_iter()
        .chain(&options.others)
        .filter(|piece| pipeline.token_to_id(piece).is_some())
        .map(|piece| AddedToken::from(piece.as_str(), true).normalized(false))
        .collect();
    pipeline.with_post_processor(Some(processor));
    pipeline.add_special_tokens(special).map_err(|e| e.to_string())?;
    Ok(pipeline)
}

/// What is wrong with a vocabulary that lacks a special token.
pub(crate) fn lacks(lines: usize, piece: &str) -> String {
    format!("none of its {lines} lines is {piece:?}, which every text needs")
}

/// A vocabulary of one piece a line.
pub(crate) fn model(bytes: &[u8], unk_token: &str) -> Result<Model, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("byte {} is not UTF-8; expected one piece a line", e.valid_up_to()))?;
    Ok(Model::WordPiece(WordPiece {
        vocab: Vocabulary::from_lines(text.to_owned()),
        unk_token: unk_token.to_owned(),
        continuing_subword_prefix: "##".into(),
        max_input_chars_per_word: MAX_CHARS,
    }))
}
