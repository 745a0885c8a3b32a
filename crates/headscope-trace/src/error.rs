//! What can go wrong with a trace and its file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a trace could not be read, written or understood.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not a whole safetensors file.
    #[error("{file} is not a whole safetensors file: {detail}")]
    Container {
        /// The file.
        file: String,
        /// What was found.
        detail: String,
    },
    /// A safetensors file, but not one of ours.
    #[error("{file} is no headscope trace: {detail}")]
    NotATrace {
        /// The file.
        file: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A tensor that does not fit the rest of the trace.
    #[error("{file}: tensor {name} {detail}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A name that no site has.
    #[error("no site is called {name:?}")]
    Site {
        /// The name.
        name: String,
    },
}

impl TraceError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            TraceError::Container { .. } => Some("the file may be cut short; write or copy it again".into()),
            TraceError::NotATrace { .. } => {
                Some("`headscope trace \"TEXT\" -o t.safetensors` writes a trace".into())
            }
            TraceError::Site { .. } => Some(
                "sites are called like embed, blocks.3.attn.pattern, blocks.3.resid_pre, last_hidden".into(),
            ),
            TraceError::Io { action: "write", source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                    Some("name a file in a folder that exists and that you may write to".into())
                }
                io::ErrorKind::IsADirectory => Some("name a file; this is a folder".into()),
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                    Some("make room there, or write elsewhere; nothing half-written was left".into())
                }
                _ => None,
            },
            TraceError::Tensor { .. } => Some("the file was changed or damaged; write it again".into()),
            TraceError::Io { .. } => None,
        }
    }
}
