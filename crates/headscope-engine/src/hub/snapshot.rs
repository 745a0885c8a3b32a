//! What a snapshot holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{FileName, Repo};

/// The files of a model at one commit, as far as they are in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The model's id, `org/name`.
    pub id: String,
    /// The commit.
    pub commit: String,
    /// The branches and tags that stood for it.
    pub refs: Vec<String>,
    /// Where its files are.
    pub folder: PathBuf,
}

/// The tokenizer's files, of which one is enough; a model of pictures has a preprocessor instead.
const READERS: [&str; 4] = ["tokenizer.json", "vocab.txt", "vocab.json", "preprocessor_config.json"];

impl Snapshot {
    /// Whether `folder` has configuration, all weights, and a tokenizer unless there is none to have.
    pub fn is_whole(folder: &Path) -> bool {
        folder.join("config.json").exists() && has_weights(folder) && has_reader(folder)
    }

    /// Its GGUF files, by name.
    pub fn gguf_files(&self) -> Vec<String> {
        let mut files: Vec<String> = names(&self.folder).filter(|name| is_a(name, "gguf")).collect();
        files.sort();
        files
    }

    /// How many bytes its files take.
    pub fn bytes(&self) -> u64 {
        bytes_under(&self.folder, 4)
    }
}

/// The files that an index of weights names.
///
/// # Errors
/// Says what is wrong with the index.
pub fn shards_of(index: &[u8]) -> Result<BTreeSet<FileName>, String> {
    let json: serde_json::Value =
        serde_json::from_slice(index).map_err(|e| format!("does not parse: {e}"))?;
    let map = json["weight_map"].as_object().filter(|map| !map.is_empty());
    let map = map.ok_or("has no weight_map; expected tensors and their files")?;
    map.iter()
        .map(|(tensor, shard)| {
            let name = shard.as_str().filter(|name| !name.contains('/'));
            let name = name.and_then(|name| FileName::parse(name).ok());
            name.ok_or_else(|| format!("puts {tensor} into {shard}; expected a file of the same folder"))
        })
        .collect()
}

fn has_weights(folder: &Path) -> bool {
    ["model.safetensors", "pytorch_model.bin"].iter().any(|whole| {
        let shards = || {
            let index = fs::read(folder.join(format!("{whole}.index.json"))).ok()?;
            shards_of(&index).ok()
        };
        folder.join(whole).exists()
            || shards().is_some_and(|shards| shards.iter().all(|shard| folder.join(shard.as_str()).exists()))
    })
}

fn has_reader(folder: &Path) -> bool {
    READERS.iter().any(|name| folder.join(name).exists())
        || names(folder).any(|name| is_a(&name, "model") || is_a(&name, "spm"))
        || Repo::known_absent(folder, READERS[0])
}

fn is_a(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Links are followed to files, not to folders, so that none is counted twice or without end.
fn bytes_under(folder: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match fs::metadata(entry.path()) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) if depth > 0 && !entry.path().is_symlink() => bytes_under(&entry.path(), depth - 1),
        _ => 0,
    });
    bytes.sum()
}
