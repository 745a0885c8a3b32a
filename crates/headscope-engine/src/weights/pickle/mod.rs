//! PyTorch's checkpoints, read by a machine that executes nothing.
//!
//! `torch.save` writes a pickle that names storages, and the storages' bytes: since 1.6 as entries of a zip file
//! (`zip.rs`), before that one behind the other (`legacy.rs`). A pickle is a program for a stack machine; ours
//! (`machine.rs`) knows the instructions that torch writes and, of everything that a program may call, what makes
//! tensors. Tensors whose rows lie side by side stay in the mapped file; others are copied into that order.

mod legacy;
mod machine;
mod tensor;
mod zip;

use super::Bytes;
use super::entry::Entry;

/// Why a checkpoint is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is cut short or contradicts itself.
    Damaged(String),
    /// It names what is no tensor: `os.system`.
    Asks(String),
}

impl From<String> for Fault {
    fn from(detail: String) -> Fault {
        Fault::Damaged(detail)
    }
}

/// Whether a file begins like one that `torch.save` wrote: as a zip file, or with a pickle of protocol 2 to 5.
pub(super) fn is_checkpoint(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'K', 3 | 5, 4 | 6, ..] | [machine::PROTO, 2..=5, ..]) && !is_safetensors(bytes)
}

/// Whether the first eight bytes are the length of a header that the file holds.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some(len) = bytes.first_chunk() else { return false };
    u64::from_le_bytes(*len) < bytes.len() as u64 && bytes.get(8) == Some(&b'{')
}

/// The tensors of a checkpoint, by name.
pub(super) fn entries(bytes: &Bytes) -> Result<Vec<Entry>, Fault> {
    if bytes.starts_with(b"PK") { zip::entries(bytes) } else { legacy::entries(bytes) }
}

#[cfg(test)]
mod tests;
