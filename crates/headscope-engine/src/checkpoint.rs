//! Where a model's files are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::EngineError;
use crate::config::{Config, Ids};
use crate::weights::gguf::{self, GgufMetadata};
use crate::weights::{Bytes, Weights, find_weights};

/// A model's configuration and weights, not yet loaded.
pub struct Checkpoint {
    /// The name or path it was asked for by.
    pub id: String,
    /// The revision asked for, if one was.
    pub revision: Option<String>,
    /// `config.json`, or what a GGUF file says in its place, with a name for errors.
    pub config: (String, Bytes),
    /// `generation_config.json`, where there is one, with a name for errors.
    pub generation: Option<(String, Bytes)>,
    /// The files of weights, each with a name for errors.
    pub weights: Vec<(String, Bytes)>,
}

impl Checkpoint {
    /// A GGUF file, or the files of a folder: `config.json` and safetensors or else `pytorch_model.bin`,
    /// whole or in shards.
    ///
    /// # Errors
    /// If a file is missing or cannot be read, or what a GGUF file says of its model is not understood.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint, EngineError> {
        let folder = path.as_ref();
        if Checkpoint::is_gguf(folder) {
            return Checkpoint::from_gguf(folder.display().to_string(), Bytes::map(folder)?);
        }
        let map = |path: PathBuf| Ok((path.display().to_string(), Bytes::map(&path)?));
        let config = folder.join("config.json");
        if !config.exists() {
            return Err(EngineError::Incomplete { folder: folder.to_owned(), missing: "config.json" });
        }
        Ok(Checkpoint {
            id: folder.display().to_string(),
            revision: None,
            config: map(config)?,
            generation: Some(folder.join("generation_config.json"))
                .filter(|p| p.exists())
                .map(map)
                .transpose()?,
            weights: find_weights(folder)?.into_iter().map(map).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a path is that of a GGUF file: one whose name ends so, whatever is in it.
    pub fn is_gguf(path: &Path) -> bool {
        path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) && !path.is_dir()
    }

    /// A GGUF file by the bytes of it.
    ///
    /// # Errors
    /// If it is cut short, or its architecture or metadata are not understood.
    pub fn from_gguf(id: String, bytes: Bytes) -> Result<Checkpoint, EngineError> {
        let config = Bytes::Owned(Arc::new(gguf::config(&id, &bytes)?));
        let (config, weights) = ((id.clone(), config), vec![(id.clone(), bytes)]);
        Ok(Checkpoint { id, revision: None, config, generation: None, weights })
    }

    /// What the checkpoint says beside its tensors, if it is a GGUF file: of its tokenizer, too.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn gguf_metadata(&self) -> Result<Option<GgufMetadata<'_>>, EngineError> {
        match &self.weights[..] {
            [(name, bytes)] if bytes.starts_with(b"GGUF") => GgufMetadata::read(name, bytes).map(Some),
            _ => Ok(None),
        }
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
        match (config.given(KEY)?, self.generation_config()?) {
            (None, Some(generation)) => generation.given(KEY),
            (start, _) => Ok(start),
        }
    }

    /// The tokens that end a text: those of `generation_config.json`, or else of the configuration. Where
    /// neither says any, none does: transformers, too, takes no family's default when it writes.
    pub(crate) fn ends(&self, config: &Config) -> Result<Vec<u32>, EngineError> {
        const KEY: &str = "eos_token_id";
        let own = match self.generation_config()? {
            Some(generation) => generation.given::<Ids>(KEY)?,
            None => None,
        };
        let ids = own.map_or_else(|| config.given::<Ids>(KEY), |ids| Ok(Some(ids)))?;
        Ok(ids.map_or_else(Vec::new, |Ids(ids)| ids))
    }

    /// The token that must be written behind a first one, of `vocabulary`: that of
    /// `generation_config.json`, or else, if there is no such file, of the configuration.
    pub(crate) fn forced_second(
        &self,
        config: &Config,
        vocabulary: usize,
    ) -> Result<Option<u32>, EngineError> {
        const KEY: &str = "forced_bos_token_id";
        let generation = self.generation_config()?;
        let config = generation.as_ref().unwrap_or(config);
        match config.given::<u32>(KEY)? {
            Some(id) if id as usize >= vocabulary => {
                Err(config.fault(KEY, format!("is {id}; expected a token id below {vocabulary}")))
            }
            id => Ok(id),
        }
    }

    fn generation_config(&self) -> Result<Option<Config>, EngineError> {
        self.generation.as_ref().map(|(file, bytes)| Config::parse(bytes, file)).transpose()
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
