//! What kind of file holds weights.

use super::entry::Entry;
use super::{Bytes, gguf, pickle, safetensors};
use crate::EngineError;

/// A kind of file, known by its first bytes: `pytorch_model.bin` says nothing of its format, and
/// a safetensors file begins with a length that no model reaches otherwise.
pub(super) enum Format {
    Safetensors,
    Gguf,
    Pickle,
}

impl Format {
    pub(super) fn of(bytes: &[u8]) -> Format {
        match bytes {
            [b'G', b'G', b'U', b'F', ..] => Format::Gguf,
            bytes if pickle::is_checkpoint(bytes) => Format::Pickle,
            _ => Format::Safetensors,
        }
    }

    /// Every tensor of a file.
    pub(super) fn entries(self, file: &str, bytes: &Bytes) -> Result<Vec<Entry>, EngineError> {
        let damaged = |format| move |detail| EngineError::Container { file: file.to_owned(), format, detail };
        match self {
            Format::Safetensors => safetensors::entries(bytes).map_err(damaged("safetensors")),
            Format::Gguf => gguf::entries(file, bytes),
            Format::Pickle => pickle::entries(bytes).map_err(|fault| match fault {
                pickle::Fault::Damaged(detail) => damaged("PyTorch")(detail),
                pickle::Fault::Asks(asks) => EngineError::Pickle { file: file.to_owned(), asks },
            }),
        }
    }
}
