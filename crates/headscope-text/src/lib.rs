//! Tokenizer files to encodings.
//!
//! A [`Tokenizer`] is read from a model's `tokenizer.json`; or from a `vocab.txt`, a `vocab.json`
//! with its `merges.txt`, or a SentencePiece model, by the class that the model's files name; or
//! from the metadata of a GGUF file. It turns a text or a pair of texts into an [`Encoding`]: ids,
//! pieces, segments, special-token flags, and for every token the bytes of the *original* text that
//! it stands for, through lower-casing, dropped accents and split characters. What comes out is what
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
mod classes;
mod decode;
mod encode;
mod error;
mod folder;
mod gguf;
mod json;
mod marian;
mod model;
mod normalizer;
mod sentencepiece;
mod settings;
mod splitter;
mod surface;
mod template;
mod vocabulary;
mod wordpiece;

use std::path::Path;

use headscope_trace::Encoding;
use tokenizers::{PostProcessorWrapper, TokenizerImpl};

use decode::Decoder;
use normalizer::Normalizer;
use splitter::Splitter;

pub use decode::TextStream;
pub use error::{Part, TextError};
pub use gguf::GgufVocabulary;
pub use wordpiece::VocabOptions;

/// The `tokenizers` crate around parts of ours.
type Pipeline = TokenizerImpl<model::Model, Normalizer, Splitter, PostProcessorWrapper, Decoder>;

/// Turns texts into tokens, as the model's own tokenizer does.
pub struct Tokenizer {
    pipeline: Pipeline,
    /// How a text for the decoder is tokenized, where that differs.
    target: Option<Target>,
}

/// What is different about a text for the decoder.
enum Target {
    /// What stands around it.
    Frame(PostProcessorWrapper),
    /// All.
    Own(Box<Pipeline>),
}

impl Tokenizer {
    fn of(pipeline: Pipeline) -> Tokenizer {
        Tokenizer { pipeline, target: None }
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// If the bytes are not a whole tokenizer of a kind that is supported.
    pub fn from_json(bytes: &[u8]) -> Result<Tokenizer, TextError> {
        json::pipeline(bytes).map(Tokenizer::of)
    }

    /// Reads a `vocab.txt`, one WordPiece a line.
    ///
    /// # Errors
    /// If the bytes are not text, or lack one of the tokens that every text needs.
    pub fn from_vocab(bytes: &[u8], options: &VocabOptions) -> Result<Tokenizer, TextError> {
        wordpiece::pipeline(bytes, options).map(Tokenizer::of)
    }

    /// Reads the tokenizer of a model folder: its `tokenizer.json`, or else the `vocab.txt`,
    /// `vocab.json` with `merges.txt`, or SentencePiece model of the class that its
    /// `tokenizer_config.json` or `config.json` names.
    ///
    /// # Errors
    /// If there is none, its class is not supported, or what is there cannot be read.
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Tokenizer, TextError> {
        let folder = folder.as_ref();
        folder::load(&|name| folder::read(&folder.join(name))).map_err(|e| e.in_folder(folder))
    }

    /// As [`from_dir`](Tokenizer::from_dir), of files that `read` hands out by their names.
    ///
    /// # Errors
    /// As `from_dir`, and those of `read`.
    pub fn from_files(
        read: impl Fn(&str) -> Result<Option<Vec<u8>>, TextError>,
    ) -> Result<Tokenizer, TextError> {
        folder::load(&read)
    }

    /// Builds the tokenizer that a GGUF file describes in its metadata, with the ids that
    /// transformers gives for the same file.
    ///
    /// # Errors
    /// If the vocabulary is of a kind that is not supported, or its lists do not fit together.
    pub fn from_gguf(vocabulary: &GgufVocabulary) -> Result<Tokenizer, TextError> {
        let fault = |detail| TextError::File { file: "the GGUF file's vocabulary".into(), detail };
        vocabulary.pipeline().map(Tokenizer::of).map_err(fault)
    }

    /// Tokenizes a text or a pair of texts, with the special tokens that the model expects
    /// around them.
    ///
    /// # Errors
    /// If a text is empty or holds nothing that becomes a token.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoding, TextError> {
        Ok(encode::encode(&self.pipeline, None, text, pair)?.finish())
    }

    /// Tokenizes a text for the decoder of an encoder-decoder model, such as a translation: with the
    /// pieces of its language (Marian) or the code of it (mBART), where the files say so, and else
    /// as [`encode`](Tokenizer::encode).
    ///
    /// # Errors
    /// As `encode`.
    pub fn encode_target(&self, text: &str) -> Result<Encoding, TextError> {
        let draft = match &self.target {
            None => encode::encode(&self.pipeline, None, text, None)?,
            Some(Target::Frame(frame)) => encode::encode(&self.pipeline, Some(frame), text, None)?,
            Some(Target::Own(pipeline)) => encode::encode(pipeline, None, text, None)?,
        };
        Ok(draft.finish())
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
        let mut draft = encode::encode(&self.pipeline, None, text, pair)?;
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
        let piece = |id| self.piece(id).unwrap_or_else(|| format!("<{id}>"));
        let mut encoding = Encoding::from_ids(ids, piece);
        for token in &mut encoding.tokens {
            token.special = encode::is_special(&self.pipeline, token.id);
        }
        Ok(encoding)
    }

    /// The text of ids: what the model's decoder makes of their pieces. Special tokens are part of
    /// it as they are written, ids without a piece are not.
    pub fn decode(&self, ids: &[u32]) -> String {
        decode::decode(&self.pipeline, ids, false)
    }

    /// As [`decode`](Tokenizer::decode), without special tokens.
    pub fn decode_plain(&self, ids: &[u32]) -> String {
        decode::decode(&self.pipeline, ids, true)
    }

    /// The text of ids that come one after another.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    /// The piece of an id, as the vocabulary writes it: `Ġthe`, `▁the`, `##s`, `<0xF0>`.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.pipeline.id_to_token(id)
    }

    /// Whether an id is one of the special tokens; the unknown token stands for a word and is none.
    pub fn is_special(&self, id: u32) -> bool {
        encode::is_special(&self.pipeline, id)
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
