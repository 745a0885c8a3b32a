//! How a word is split into pieces of the vocabulary.
//!
//! WordPiece (BERT and its relatives) is ours: the `tokenizers` crate takes 15 ms to build it
//! from gte-small's tokenizer.json, by way of a JSON tree and two maps of strings; this takes
//! under 4, and 2 from the vocab.txt.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::Error as _;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::WordPieceTrainer;
use tokenizers::{Model as Splitter, ModelWrapper, Token};

use crate::bpe;
use crate::marian::Marian;
use crate::vocabulary::Vocabulary;

/// The kinds of model that a `tokenizer.json` may hold.
const KINDS: [&str; 4] = ["BPE", "WordPiece", "WordLevel", "Unigram"];

/// A splitter of words.
pub(crate) enum Model {
    WordPiece(WordPiece),
    Marian(Marian),
    /// One of the crate's, with the id of words that it cannot split.
    Other {
        model: ModelWrapper,
        unknown: Option<u32>,
    },
}

/// The longest piece first, then the longest that continues it (arXiv 1609.08144).
#[derive(Deserialize)]
pub(crate) struct WordPiece {
    pub(crate) vocab: Vocabulary,
    pub(crate) unk_token: String,
    pub(crate) continuing_subword_prefix: String,
    pub(crate) max_input_chars_per_word: usize,
}

impl WordPiece {
    /// The pieces of `word`, or the unknown token where it cannot be put together.
    fn split(&self, word: &str) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        if word.chars().count() <= self.max_input_chars_per_word {
            let mut start = 0;
            while let Some(token) = self.longest_at(word, start) {
                start = token.offsets.1;
                tokens.push(token);
            }
            if start == word.len() {
                return Some(tokens);
            }
        }
        let id = self.vocab.id(&self.unk_token)?;
        Some(vec![Token::new(id, self.unk_token.clone(), (0, word.len()))])
    }

    /// The longest piece that `word` has at the byte `start`.
    fn longest_at(&self, word: &str, start: usize) -> Option<Token> {
        let prefix = if start == 0 { "" } else { &self.continuing_subword_prefix };
        let reach = self.vocab.longest_piece_bytes().saturating_sub(prefix.len());
        let end = word.floor_char_boundary(start.saturating_add(reach));
        let mut piece = format!("{prefix}{}", &word[start..end.max(start)]);
        while piece.len() > prefix.len() {
            if let Some(id) = self.vocab.id(&piece) {
                let end = start + piece.len() - prefix.len();
                return Some(Token::new(id, piece, (start, end)));
            }
            piece.pop();
        }
        None
    }
}

impl Model {
    /// Reads the `model` of a `tokenizer.json`.
    pub(crate) fn from_json(json: &str) -> Result<Model, String> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: Option<String>,
            unk_id: Option<u32>,
        }
        let read = serde_json::from_str(json).and_then(|Kind { kind, unk_id }| match kind.as_deref() {
            Some("WordPiece") => serde_json::from_str(json).map(Model::WordPiece),
            Some(kind) if !KINDS.contains(&kind) => {
                Err(serde_json::Error::custom(format!("type {kind:?}; supported are {}", KINDS.join(", "))))
            }
            _ => {
                let model = check_merges(json).and_then(|()| serde_json::from_str(json))?;
                let unknown = unknown(&model).or(unk_id);
                Ok(Model::Other { model, unknown })
            }
        });
        read.map_err(|e| format!("its model does not parse: {e}"))
    }

    /// The token of words that cannot be split.
    pub(crate) fn unknown(&self) -> Option<u32> {
        match self {
            Model::WordPiece(model) => model.vocab.id(&model.unk_token),
            Model::Marian(model) => Some(model.unknown()),
            Model::Other { unknown, .. } => *unknown,
        }
    }
}

/// The id of the token that a model names for what it cannot split.
fn unknown(model: &ModelWrapper) -> Option<u32> {
    let token = match model {
        ModelWrapper::Unigram(_) => return None, // has an id in its place
        ModelWrapper::BPE(model) => model.get_unk_token().as_deref()?,
        ModelWrapper::WordLevel(model) => &model.unk_token,
        ModelWrapper::WordPiece(model) => &model.unk_token,
    };
    model.token_to_id(token)
}

/// One merge of BPE, as newer and older files write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Merge {
    fn parts(&self) -> Option<(&str, &str)> {
        match self {
            Merge::Pair(left, right) => Some((left, right)),
            Merge::Line(line) => line.split_once(' '),
        }
    }
}

/// Refuses merges of pieces that the vocabulary lacks, on which the crate panics.
fn check_merges(json: &str) -> serde_json::Result<()> {
    #[derive(Deserialize)]
    struct Bpe {
        #[serde(default)]
        merges: Vec<Merge>,
        continuing_subword_prefix: Option<String>,
    }
    #[derive(Deserialize)]
    struct Pieces {
        vocab: HashMap<String, u32>,
    }
    let Ok(Bpe { merges, continuing_subword_prefix }) = serde_json::from_str(json) else {
        return Ok(()); // another kind of model, or one whose parser says what is wrong
    };
    if merges.is_empty() {
        return Ok(());
    }
    let Pieces { vocab } = serde_json::from_str(json)?;
    let prefix = continuing_subword_prefix.unwrap_or_default();
    for merge in &merges {
        let known = merge.parts().and_then(|(left, right)| {
            let joined = format!("{left}{}", right.strip_prefix(&prefix)?);
            Some([left, right, &joined].iter().all(|piece| vocab.contains_key(*piece)))
        });
        if known != Some(true) {
            let (left, right) = merge.parts().unwrap_or_default();
            return Err(serde_json::Error::custom(bpe::stranger(left, right)));
        }
    }
    Ok(())
}

impl Splitter for Model {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, word: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Model::WordPiece(model) => model.split(word).ok_or_else(|| {
                format!("{word:?} needs the unknown token {:?}, which the vocabulary lacks", model.unk_token)
                    .into()
            }),
            Model::Marian(model) => Ok(model.split(word)),
            Model::Other { model, .. } => model.tokenize(word),
        }
    }

    fn token_to_id(&self, piece: &str) -> Option<u32> {
        match self {
            Model::WordPiece(model) => model.vocab.id(piece),
            Model::Marian(model) => model.ids().get(piece).copied(),
            Model::Other { model, .. } => model.token_to_id(piece),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Model::WordPiece(model) => model.vocab.piece(id).map(str::to_owned),
            Model::Marian(model) => model.name(id).map(str::to_owned),
            Model::Other { model, .. } => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Model::WordPiece(model) => model.vocab.iter().map(|(piece, id)| (piece.to_owned(), id)).collect(),
            Model::Marian(model) => model.ids().clone(),
            Model::Other { model, .. } => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Model::WordPiece(model) => model.vocab.len(),
            Model::Marian(model) => model.ids().len(),
            Model::Other { model, .. } => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Model::WordPiece(_) | Model::Marian(_) => {
                Err("headscope reads vocabularies and writes none".into())
            }
            Model::Other { model, .. } => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Model::WordPiece(_) | Model::Marian(_) => WordPieceTrainer::default().into(),
            Model::Other { model, .. } => model.get_trainer(),
        }
    }
}
