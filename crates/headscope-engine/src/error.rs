//! What can go wrong before a pass; nothing fails during one.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a model could not be loaded, or a text not be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder that should hold a model lacks one of its files.
    #[error("{} has no {missing}", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// A model id that is neither a folder here nor in the Hugging Face cache.
    #[error("no model {id:?}: it is no folder here and not in the cache at {}", cache.display())]
    NotFound {
        /// What was asked for.
        id: String,
        /// Where was looked.
        cache: PathBuf,
    },
    /// A file of weights that is cut short or contradicts itself.
    #[error("{file} is not a whole safetensors file: {detail}")]
    Container {
        /// The file.
        file: String,
        /// What was found.
        detail: String,
    },
    /// A configuration value that is missing, malformed or not supported.
    #[error("{file}: {key} {detail}")]
    Config {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A tensor that is missing, or of another shape or dtype than the configuration asks for.
    #[error("{file}: tensor {name} {detail}")]
    Tensor {
        /// The file, or files.
        file: String,
        /// The tensor.
        name: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A text of more tokens than the model has positions for.
    #[error("the text has {tokens} tokens, but {model} takes at most {limit}")]
    TooLong {
        /// The model.
        model: String,
        /// The text's tokens, special ones included.
        tokens: usize,
        /// The model's positions.
        limit: usize,
    },
    /// A token id or segment that the model has no embedding for.
    #[error("token {position} has {what} {found}, but {model} has {limit} of them")]
    OutOfRange {
        /// The model.
        model: String,
        /// The token's place.
        position: usize,
        /// `id` or `segment`.
        what: &'static str,
        /// Its value.
        found: u32,
        /// How many the model has.
        limit: usize,
    },
    /// No token at all.
    #[error("there is no token to run")]
    Empty,
    /// A pattern of site names that no site of the model matches.
    #[error("no site of {model} is called {glob:?}")]
    NoSuchSite {
        /// The model.
        model: String,
        /// The pattern.
        glob: String,
    },
}

impl EngineError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            EngineError::Incomplete { .. } => {
                Some("a model folder holds config.json, model.safetensors and tokenizer.json or vocab.txt".into())
            }
            EngineError::NotFound { id, .. } => Some(format!(
                "give the path of a folder that holds config.json, or put the model into the cache first: hf download {id}"
            )),
            EngineError::Container { .. } => Some("the file may be cut short; download or copy it again".into()),
            EngineError::TooLong { .. } => {
                Some("shorten the text, cut it with --truncate, or choose a model with more positions".into())
            }
            EngineError::NoSuchSite { .. } => Some(
                "sites are called like embed, blocks.3.attn.q, blocks.3.attn.pattern, blocks.3.resid_pre, last_hidden; \
                 * stands for any letters"
                    .into(),
            ),
            _ => None,
        }
    }
}
