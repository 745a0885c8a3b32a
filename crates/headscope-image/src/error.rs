//! What can go wrong between an image file and its pixels.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why an image could not be read, or not be prepared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is neither a png nor a jpeg.
    #[error("{file} is no image; expected a png or a jpeg")]
    NoImage {
        /// The file.
        file: String,
    },
    /// A file that is cut short, damaged, or of a kind that is not read.
    #[error("{file} is not a whole {kind}: {detail}")]
    Damaged {
        /// The file.
        file: String,
        /// `png` or `jpeg`.
        kind: &'static str,
        /// What was found.
        detail: String,
    },
    /// More pixels than are decoded.
    #[error("{file} has {width} x {height} pixels; at most {limit} are read")]
    TooLarge {
        /// The file.
        file: String,
        /// Its columns.
        width: usize,
        /// Its rows.
        height: usize,
        /// The most pixels of an image.
        limit: usize,
    },
    /// A setting of the preprocessor that is malformed or not supported.
    #[error("{file}: {key} {detail}")]
    Setting {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// An image that a resize to its shortest edge would make endless.
    #[error(
        "{width} x {height} pixels become {new_width} x {new_height} by {file}; at most {limit} on a side"
    )]
    Stretched {
        /// The preprocessor's file.
        file: String,
        /// The image's columns.
        width: usize,
        /// The image's rows.
        height: usize,
        /// Columns wanted.
        new_width: usize,
        /// Rows wanted.
        new_height: usize,
        /// The most that are made.
        limit: usize,
    },
}

impl ImageError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            ImageError::NoImage { .. } => Some("convert it to png; a png keeps every pixel".into()),
            ImageError::Damaged { .. } => Some("download or copy it again, or save it anew as png".into()),
            ImageError::TooLarge { .. } => {
                Some("make it smaller first; models see a few hundred pixels".into())
            }
            ImageError::Stretched { .. } => Some("cut the image: it is too long for its width".into()),
            ImageError::Io { .. } | ImageError::Setting { .. } => None,
        }
    }
}
