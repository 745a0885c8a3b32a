//! Where a model's files are.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::EngineError;
use crate::config::Config;
use crate::weights::{Bytes, Weights, find_safetensors};

/// A model's configuration and weights, not yet loaded.
pub struct Checkpoint {
    /// The name or path it was asked for by.
    pub id: String,
    /// The revision asked for, if one was.
    pub revision: Option<String>,
    /// `config.json`, with a name for errors.
    pub config: (String, Bytes),
    /// `generation_config.json`, where there is one.
    pub generation: Option<(String, Bytes)>,
    /// The files of weights, each with a name for errors.
    pub weights: Vec<(String, Bytes)>,
}

impl Checkpoint {
    /// The files of a folder: `config.json` and safetensors, whole or in shards.
    ///
    /// # Errors
    /// If one is missing or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Checkpoint, EngineError> {
        let folder = folder.as_ref();
        let map = |path: PathBuf| Ok((path.display().to_string(), Bytes::map(&path)?));
        let config = folder.join("config.json");
        if !config.exists() {
            return Err(EngineError::Incomplete { folder: folder.to_owned(), missing: "config.json" });
        }
        let generation = Some(folder.join("generation_config.json")).filter(|path| path.exists());
        Ok(Checkpoint {
            id: folder.display().to_string(),
            revision: None,
            config: map(config)?,
            generation: generation.map(map).transpose()?,
            weights: find_safetensors(folder)?.into_iter().map(map).collect::<Result<_, _>>()?,
        })
    }

    /// A model that is part of the program.
    pub fn embedded(id: &str, config: &'static [u8], weights: &'static [u8]) -> Checkpoint {
        let name = |file: &str| format!("{id} (embedded) {file}");
        Checkpoint {
            id: id.to_owned(),
            revision: None,
            config: (name("config.json"), Bytes::Static(config)),
            generation: None,
            weights: vec![(name("model.safetensors"), Bytes::Static(weights))],
        }
    }

    /// The token that a decoder reads first, as `config.json` or else `generation_config.json` says.
    pub(crate) fn decoder_start(&self, config: &Config) -> Result<Option<u32>, EngineError> {
        const KEY: &str = "decoder_start_token_id";
        match (config.given(KEY)?, &self.generation) {
            (None, Some((file, bytes))) => Config::parse(bytes, file)?.given(KEY),
            (start, _) => Ok(start),
        }
    }

    /// What identifies the content: SHA-256 over the configuration and, of each file of weights,
    /// its length and a sample, 4 KiB of every MiB. Two checkpoints that differ will hardly agree
    /// on it, and gigabytes need not be read before the first token; it is no proof of integrity.
    pub(crate) fn fingerprint(&self, weights: &Weights) -> String {
        const STRIDE: usize = 1 << 20;
        const SAMPLE: usize = 4 << 10;
        let mut hash = Sha256::new();
        hash.update(&*self.config.1);
        for (_, bytes) in weights.sources() {
            hash.update((bytes.len() as u64).to_le_bytes());
            for stretch in bytes.chunks(STRIDE) {
                hash.update(&stretch[..stretch.len().min(SAMPLE)]);
            }
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }
}
