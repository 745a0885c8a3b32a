//! Which files of a folder hold its weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::EngineError;

/// Where weights of a folder lie: one file, or the shards that an index names; safetensors before pickles.
///
/// # Errors
/// If there is none, or an index does not parse or names a file outside of the folder.
pub(crate) fn find_weights(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    for name in ["model.safetensors", "pytorch_model.bin"] {
        let single = folder.join(name);
        if single.exists() {
            return Ok(vec![single]);
        }
        let index = folder.join(format!("{name}.index.json"));
        if index.exists() {
            return shards(folder, &index);
        }
    }
    Err(EngineError::Incomplete { folder: folder.to_owned(), missing: "model.safetensors" })
}

/// The files of a folder that its index names.
fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let fault = |key: &str, detail: String| EngineError::Config {
        file: index.display().to_string(),
        key: key.into(),
        detail,
    };
    let text = std::fs::read(index).map_err(|source| EngineError::Io { path: index.to_owned(), source })?;
    let json: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| fault("the file", format!("does not parse: {e}")))?;
    let map = json["weight_map"].as_object().filter(|map| !map.is_empty());
    let map =
        map.ok_or_else(|| fault("weight_map", "is missing; expected tensors and their files".into()))?;
    let mut shards = BTreeSet::new();
    for (tensor, shard) in map {
        let here = shard.as_str().filter(|shard| Path::new(shard).file_name().is_some_and(|n| n == *shard));
        shards.insert(here.ok_or_else(|| {
            fault("weight_map", format!("puts {tensor} into {shard}; expected a file of the same folder"))
        })?);
    }
    Ok(shards.into_iter().map(|shard| folder.join(shard)).collect())
}
