//! Tensors of safetensors files.

use headscope_trace::{Described, Header};

use super::Bytes;
use super::entry::{Entry, Order};

/// The tensors of a safetensors file.
///
/// # Errors
/// Says what was expected and what was found.
pub(super) fn entries(bytes: &Bytes) -> Result<Vec<Entry>, String> {
    let described = Header::read(bytes)?.tensors.into_iter();
    Ok(described
        .map(|Described { name, dtype, shape, bytes: range }| Entry {
            name,
            dtype,
            shape,
            bytes: bytes.clone(),
            range,
            order: Order::AsStored,
        })
        .collect())
}
