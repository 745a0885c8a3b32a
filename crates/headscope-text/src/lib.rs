//! Tokenizer files to encodings.
//!
//! A [`Tokenizer`] is read from a model's `tokenizer.json`, or from the plain `vocab.txt` of
//! BERT and its relatives, and turns a text or a pair of texts into an [`Encoding`]: ids, pieces,
//! segments, special-token flags, and for every token the bytes of the *original* text that it
//! stands for, through lower-casing, dropped accents and split characters. What comes out is what
//! transformers gives, token for token, with one difference: a tokenizer file's own truncation
//! and padding settings are never applied, so that no text is cut in silence.
//!
//! ```no_run
//! let tokenizer = headscope_text::Tokenizer::from_dir("models/gte-small")?;
//! let encoding = tokenizer.encode("The cat sat", Some("The dog played"))?;
//! assert_eq!(encoding.tokens[1].piece, "the");
//! assert_eq!(encoding.tokens[1].span, Some(0..3));
//! # Ok::<(), headscope_text::TextError>(())
//! ```

mod assembly;
mod bpe;
mod charsmap;
mod encode;
mod error;
mod gguf;
mod json;
mod model;
mod normalizer;
mod parts;
mod splitter;
mod template;
mod vocabulary;
mod wordpiece;

use std::fs;
use std::path::Path;

use headscope_trace::Encoding;
use tokenizers::{DecoderWrapper, PostProcessorWrapper, TokenizerImpl};

use normalizer::Normalizer;
use splitter::Splitter;

pub use error::{Part, TextError};
pub use gguf::GgufVocabulary;
pub use wordpiece::VocabOptions;

/// The `tokenizers` crate around parts of ours.
type Pipeline = TokenizerImpl<model::Model, Normalizer, Splitter, PostProcessorWrapper, DecoderWrapper>;

/// Turns texts into tokens, as the model's own tokenizer does.
pub struct Tokenizer {
    pipeline: Pipeline,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// If the bytes are not a whole tokenizer of a kind that is supported.
    pub fn from_json(bytes: &[u8]) -> Result<Tokenizer, TextError> {
        json::pipeline(bytes).map(|pipeline| Tokenizer { pipeline })
    }

    /// Reads a `vocab.txt`, one WordPiece a line.
    ///
    /// # Errors
    /// If the bytes are not text, or lack one of the tokens that every text needs.
    pub fn from_vocab(bytes: &[u8], options: &VocabOptions) -> Result<Tokenizer, TextError> {
        wordpiece::pipeline(bytes, options).map(|pipeline| Tokenizer { pipeline })
    }

    /// Reads the tokenizer of a model folder: its `tokenizer.json`, or else its `vocab.txt` with
    /// the options of a `tokenizer_config.json` beside it.
    ///
    /// # Errors
    /// If there is neither, or what is there cannot be read.
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Tokenizer, TextError> {
        let folder = folder.as_ref();
        let json = folder.join("tokenizer.json");
        if let Some(bytes) = read(&json)? {
            return Tokenizer::from_json(&bytes).map_err(|e| e.in_file(&json));
        }
        let vocab = folder.join("vocab.txt");
        let bytes = read(&vocab)?.ok_or_else(|| TextError::NoTokenizer { folder: folder.into() })?;
        let config = folder.join("tokenizer_config.json");
        let options = match read(&config)? {
            Some(bytes) => VocabOptions::from_json(&bytes).map_err(|e| e.in_file(&config))?,
            None => VocabOptions::default(),
        };
        Tokenizer::from_vocab(&bytes, &options).map_err(|e| e.in_file(&vocab))
    }

    /// Builds the tokenizer that a GGUF file describes in its metadata, with the ids that
    /// transformers gives for the same file.
    ///
    /// # Errors
    /// If the vocabulary is of a kind that is not supported, or its lists do not fit together.
    pub fn from_gguf(vocabulary: &GgufVocabulary) -> Result<Tokenizer, TextError> {
        let fault = |detail| TextError::File { file: "the GGUF file's vocabulary".into(), detail };
        vocabulary.pipeline().map(|pipeline| Tokenizer { pipeline }).map_err(fault)
    }

    /// Tokenizes a text or a pair of texts, with the special tokens that the model expects
    /// around them.
    ///
    /// # Errors
    /// If a text is empty or holds nothing that becomes a token.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoding, TextError> {
        Ok(encode::encode(&self.pipeline, text, pair)?.finish())
    }

    /// As [`encode`](Tokenizer::encode), but of at most `max_tokens` tokens: the ends of the
    /// texts are dropped, of a pair first that of the longer one. The text itself stays whole.
    ///
    /// # Errors
    /// As `encode`, or if special tokens alone fill `max_tokens`.
    pub fn encode_truncated(
        &self,
        text: &str,
        pair: Option<&str>,
        max_tokens: usize,
    ) -> Result<Encoding, TextError> {
        let mut draft = encode::encode(&self.pipeline, text, pair)?;
        draft.truncate(max_tokens)?;
        Ok(draft.finish())
    }

    /// Token ids as they are: no special tokens are added, all are of segment 0, and there is no
    /// text. An id that is not in the vocabulary (embedding tables are often padded) is spelled
    /// `<id>`.
    ///
    /// # Errors
    /// If there is no id.
    pub fn ids(&self, ids: &[u32]) -> Result<Encoding, TextError> {
        if ids.is_empty() {
            return Err(TextError::NoIds);
        }
        let piece = |id| self.pipeline.id_to_token(id).unwrap_or_else(|| format!("<{id}>"));
        let mut encoding = Encoding::from_ids(ids, piece);
        for token in &mut encoding.tokens {
            token.special = encode::is_special(&self.pipeline, token.id);
        }
        Ok(encoding)
    }

    /// The number of pieces, tokens added to the vocabulary included.
    pub fn vocab_size(&self) -> usize {
        self.pipeline.get_vocab_size(true)
    }

    /// The id of a piece, for instance of `[MASK]`.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.pipeline.token_to_id(piece)
    }
}

/// A file's bytes, or none if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, TextError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Io { path: path.into(), source }),
    }
}
