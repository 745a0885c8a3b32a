//! What can go wrong between a text and its tokens.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Which text of a call is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The only text.
    Only,
    /// The first of a pair.
    First,
    /// The second of a pair.
    Second,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Only => "the text",
            Part::First => "the first text",
            Part::Second => "the second text",
        })
    }
}

/// Why a tokenizer could not be read, or a text not be tokenized.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TextError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without any tokenizer file that we know.
    #[error("{} holds no tokenizer: expected tokenizer.json, vocab.txt, vocab.json with merges.txt, or a SentencePiece model", folder.display())]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that is no tokenizer, or only part of one.
    #[error("{file} is no tokenizer that headscope can use: {detail}")]
    File {
        /// The file.
        file: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A text without anything to read; special tokens alone are no text.
    #[error("{part} {found}")]
    Empty {
        /// Which text.
        part: Part,
        /// `is empty`, `holds only spaces`, `holds only characters that …`.
        found: &'static str,
    },
    /// A list of ids without any.
    #[error("the list of token ids is empty")]
    NoIds,
    /// A limit that leaves no room for the text.
    #[error("a limit of {max_tokens} tokens leaves no room for text: expected at least {needed}")]
    NoRoom {
        /// The limit.
        max_tokens: usize,
        /// The special tokens and one of each text.
        needed: usize,
    },
    /// A text that the tokenizer itself refused.
    #[error("the tokenizer cannot split this text: {detail}")]
    Split {
        /// What it said.
        detail: String,
    },
}

impl TextError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            TextError::NoTokenizer { .. } => Some(
                "download the model's tokenizer files into the folder, or give token ids with `--ids 101,7592,102`".into(),
            ),
            TextError::File { .. } => {
                Some("the file may be cut short or belong to another model; download it again".into())
            }
            TextError::Empty { .. } => Some("give at least one word".into()),
            TextError::NoIds => Some("give at least one id, as in `--ids 101,7592,102`".into()),
            TextError::Io { .. } | TextError::NoRoom { .. } | TextError::Split { .. } => None,
        }
    }

    /// Says in which folder, where only a file's name was known.
    pub(crate) fn in_folder(self, folder: &std::path::Path) -> TextError {
        match self {
            TextError::File { file, detail } => {
                TextError::File { file: folder.join(file).display().to_string(), detail }
            }
            TextError::NoTokenizer { .. } => TextError::NoTokenizer { folder: folder.into() },
            other => other,
        }
    }
}
