//! A checkpoint's tensors: memory-mapped safetensors, addressed by path, kept in the file's dtype.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headscope_trace::{Described, Header};
use memmap2::Mmap;
#[cfg(target_os = "linux")]
use memmap2::UncheckedAdvice;

use crate::EngineError;
use crate::kernels::{self, AsStored, Compute, Dtype, Stored};
use crate::nn::{Embedding, Linear, Norm, RmsNorm};

/// Bytes that live as long as anyone holds them.
#[derive(Clone)]
pub enum Bytes {
    /// Part of the program.
    Static(&'static [u8]),
    /// A file, paged in as it is read.
    Mapped(Arc<Mmap>),
}

impl Bytes {
    /// Maps a file into memory.
    ///
    /// # Errors
    /// If it cannot be opened or mapped, or is no regular file.
    #[expect(unsafe_code, reason = "mapping a file cannot be checked by the compiler")]
    pub fn map(path: &Path) -> Result<Bytes, EngineError> {
        let fault = |source| EngineError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(fault)?;
        let kind = file.metadata().map_err(fault)?.file_type();
        if kind.is_dir() {
            return Err(fault(io::ErrorKind::IsADirectory.into()));
        }
        if !kind.is_file() {
            return Err(fault(io::Error::other("it is no regular file")));
        }
        // SAFETY: the map is read-only and we never write the file. Should another process
        // shorten it meanwhile, reads end the program, as for any memory-mapped checkpoint.
        let map = unsafe { Mmap::map(&file) }.map_err(fault)?;
        Ok(Bytes::Mapped(Arc::new(map)))
    }

    /// Says that some bytes will hardly be read again, so that they need take no memory.
    fn hardly_needed(&self, range: &Range<usize>) {
        // A program's own bytes may stand in memory that no file would bring back.
        #[cfg(target_os = "linux")]
        if let Bytes::Mapped(map) = self {
            give_back(map, range);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

/// Takes whole pages of a mapped file out of this process. They stay in the system's page cache,
/// and whoever reads them again gets them back from there, or from the file.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the same advice would clear memory that no file stands behind")]
fn give_back(map: &Mmap, range: &Range<usize>) {
    const PAGE: usize = 4096;
    let (from, to) = (range.start.next_multiple_of(PAGE), range.end / PAGE * PAGE);
    if from < to {
        // SAFETY: the map is of a file, is read-only and was never written, so that
        // every page can be read from the file again, with the same content.
        let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        let _ = advised; // a system that refuses merely keeps them
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Static(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}

/// One safetensors file.
struct Source {
    name: String,
    bytes: Bytes,
}

struct Entry {
    source: usize,
    dtype: String,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// Every tensor of a checkpoint.
pub struct Weights {
    sources: Vec<Source>,
    entries: HashMap<String, Entry>,
    compute: Compute,
    used: Mutex<Used>,
}

/// What a network took of a checkpoint.
#[derive(Default)]
struct Used {
    /// File, name and numbers of every tensor.
    tensors: Vec<(usize, String, Weight)>,
    layers: Vec<Arc<kernels::Linear<Weight>>>,
}

impl Weights {
    /// Reads the headers of one or several safetensors files.
    ///
    /// # Errors
    /// If a file is cut short, its header contradicts it, or a tensor is in two files.
    pub fn read(files: Vec<(String, Bytes)>, compute: &Compute) -> Result<Weights, EngineError> {
        let mut weights = Weights {
            sources: Vec::new(),
            entries: HashMap::new(),
            compute: compute.clone(),
            used: Mutex::default(),
        };
        for (name, bytes) in files {
            weights.add(Source { name, bytes })?;
        }
        Ok(weights)
    }

    fn add(&mut self, source: Source) -> Result<(), EngineError> {
        let header = Header::read(&source.bytes)
            .map_err(|detail| EngineError::Container { file: source.name.clone(), detail })?;
        for Described { name, dtype, shape, bytes } in header.tensors {
            if let Some(other) = self.entries.get(&name) {
                let detail = format!("is in {} too; expected one", self.sources[other.source].name);
                return Err(EngineError::Tensor { file: source.name, name, detail });
            }
            let entry = Entry { source: self.sources.len(), dtype, shape, range: bytes };
            self.entries.insert(name, entry);
        }
        self.sources.push(source);
        Ok(())
    }

    /// The tensors whose names begin with `path` and a dot.
    pub fn at(&self, path: impl fmt::Display) -> At<'_> {
        At { weights: self, path: path.to_string() }
    }

    /// All tensors, or those under `prefix` where the checkpoint was saved with a task head.
    pub fn root(&self, prefix: &str) -> At<'_> {
        let dotted = format!("{prefix}.");
        let prefixed = self.entries.keys().any(|name| name.starts_with(&dotted));
        self.at(if prefixed { prefix } else { "" })
    }

    /// The most frequent dtype by bytes, for the card.
    pub fn dtype(&self) -> String {
        let mut bytes: HashMap<String, usize> = HashMap::new();
        for entry in self.entries.values() {
            *bytes.entry(entry.dtype.to_lowercase()).or_default() += entry.range.len();
        }
        let most = bytes.into_iter().max_by_key(|(name, len)| (*len, name.clone()));
        most.map_or_else(|| "f32".into(), |(name, _)| name)
    }

    /// The files' names and bytes, for hashing.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.sources.iter().map(|source| (source.name.as_str(), &source.bytes[..]))
    }

    /// Every linear layer that was made of these weights.
    pub(crate) fn layers(&self) -> Vec<Arc<kernels::Linear<Weight>>> {
        self.used().layers.clone()
    }

    /// Looks for NaN and infinity in every tensor that a network took. Reads all of them.
    ///
    /// # Errors
    /// Names the first that is not finite.
    pub(crate) fn check_finite(&self) -> Result<(), EngineError> {
        match self.used().tensors.iter().find(|(_, _, weight)| !weight.stored().all_finite(&self.compute)) {
            Some((source, name, _)) => Err(self.not_finite(*source, name)),
            None => Ok(()),
        }
    }

    fn not_finite(&self, source: usize, name: &str) -> EngineError {
        EngineError::Tensor {
            file: self.sources[source].name.clone(),
            name: name.to_owned(),
            detail: "holds NaN or infinite values; expected finite weights".into(),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layer(&self, parts: Vec<(Weight, usize)>, n_in: usize, bias: Option<Vec<f32>>) -> Linear {
        let layer = Arc::new(kernels::Linear::in_place(parts, n_in, bias));
        self.used().layers.push(Arc::clone(&layer));
        Linear(layer)
    }

    fn files(&self) -> String {
        self.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// A place in the tree of tensor names: `w.at("encoder.layer").at(3)`.
#[derive(Clone)]
pub struct At<'a> {
    weights: &'a Weights,
    path: String,
}

impl At<'_> {
    /// The place called `part` below this one.
    pub fn at(&self, part: impl fmt::Display) -> Self {
        At { weights: self.weights, path: self.name(part) }
    }

    /// Whether there is a tensor called `name` here.
    pub fn has(&self, name: &str) -> bool {
        self.weights.entries.contains_key(&self.name(name))
    }

    /// A linear map from the tensors `weight` (`[n_out, n_in]`) and, if there, `bias`.
    ///
    /// # Errors
    /// If the weight is missing, one of them has another shape or dtype, or the bias is not finite.
    pub fn linear(&self, n_out: usize, n_in: usize) -> Result<Linear, EngineError> {
        self.linear_with(n_out, n_in, self.bias(n_out)?)
    }

    /// A linear map from the tensor `weight` and a bias that is stored elsewhere.
    ///
    /// # Errors
    /// As [`linear`](At::linear).
    pub fn linear_with(
        &self,
        n_out: usize,
        n_in: usize,
        bias: Option<Vec<f32>>,
    ) -> Result<Linear, EngineError> {
        let weight = self.tensor("weight", &[n_out, n_in])?;
        Ok(self.weights.layer(vec![(weight, n_out)], n_in, bias))
    }

    /// The linear maps of these names below this place, each with its `n_out`, stacked so that they run
    /// as one. They have biases or not, as the configuration says.
    ///
    /// # Errors
    /// As [`linear`](At::linear), and if a bias is missing, or there is one that should not be.
    pub fn stacked(&self, parts: &[(&str, usize)], n_in: usize, bias: bool) -> Result<Linear, EngineError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for &(name, n_out) in parts {
            let part = self.at(name);
            weights.push((part.tensor("weight", &[n_out, n_in])?, n_out));
            match bias {
                true => biases.extend(part.vector("bias", n_out)?),
                false if part.has("bias") => return Err(part.unexpected("bias")),
                false => {}
            }
        }
        Ok(self.weights.layer(weights, n_in, bias.then_some(biases)))
    }

    /// A normalisation from `weight` and `bias`, or `gamma` and `beta` as older checkpoints call
    /// them.
    ///
    /// # Errors
    /// As [`linear`](At::linear).
    pub fn layer_norm(&self, width: usize, eps: f32) -> Result<Norm, EngineError> {
        let (weight, bias) = if self.has("gamma") { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(Norm { weight: self.vector(weight, width)?, bias: self.vector(bias, width)?, eps })
    }

    /// A normalisation by the root mean square, from `weight`.
    ///
    /// # Errors
    /// As [`linear`](At::linear).
    pub fn rms_norm(&self, width: usize, eps: f32) -> Result<RmsNorm, EngineError> {
        Ok(RmsNorm { weight: self.vector("weight", width)?, eps })
    }

    /// A table from the tensor `weight`, `[rows, width]`, looked up in the file.
    ///
    /// # Errors
    /// As [`linear`](At::linear).
    pub fn embedding(&self, rows: usize, width: usize) -> Result<Embedding, EngineError> {
        Ok(Embedding { weight: self.tensor("weight", &[rows, width])?, rows, width })
    }

    /// The vector called `name`, widened to f32.
    ///
    /// # Errors
    /// If it is missing, of another shape or dtype, or not finite.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, EngineError> {
        self.values(name, &[len])
    }

    /// All numbers of the tensor called `name`, which must have `shape`, widened to f32.
    ///
    /// # Errors
    /// As [`vector`](At::vector).
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EngineError> {
        let values = self.tensor(name, shape)?.stored().to_f32();
        if !values.iter().all(|value| value.is_finite()) {
            let name = self.name(name);
            return Err(self.weights.not_finite(self.weights.entries[&name].source, &name));
        }
        Ok(values)
    }

    fn bias(&self, len: usize) -> Result<Option<Vec<f32>>, EngineError> {
        if self.has("bias") { self.vector("bias", len).map(Some) } else { Ok(None) }
    }

    /// The tensor called `name`, which must have `shape` and a float dtype. Its values are not
    /// looked at: a pass notices by its products when one is not finite.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Weight, EngineError> {
        let name = self.name(name);
        let Some(entry) = self.weights.entries.get(&name) else {
            let detail = format!("is missing; expected one of shape {shape:?}");
            return Err(EngineError::Tensor { file: self.weights.files(), name, detail });
        };
        let source = &self.weights.sources[entry.source];
        let fault = |detail| EngineError::Tensor { file: source.name.clone(), name: name.clone(), detail };
        if entry.shape != shape {
            return Err(fault(format!("has shape {:?}; the configuration asks for {shape:?}", entry.shape)));
        }
        let dtype = match entry.dtype.as_str() {
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::Bf16,
            other => return Err(fault(format!("is {other}; expected F32, F16 or BF16"))),
        };
        let weight = Weight { bytes: source.bytes.clone(), range: entry.range.clone(), dtype };
        self.weights.used().tensors.push((entry.source, name, weight.clone()));
        Ok(weight)
    }

    fn unexpected(&self, name: &str) -> EngineError {
        let detail = "is there; by the configuration there is none".into();
        EngineError::Tensor { file: self.weights.files(), name: self.name(name), detail }
    }

    fn name(&self, part: impl fmt::Display) -> String {
        if self.path.is_empty() { part.to_string() } else { format!("{}.{part}", self.path) }
    }
}

/// One tensor where it lies in its file.
#[derive(Clone)]
pub struct Weight {
    bytes: Bytes,
    range: Range<usize>,
    dtype: Dtype,
}

impl AsStored for Weight {
    fn stored(&self) -> Stored<'_> {
        Stored { dtype: self.dtype, bytes: &self.bytes[self.range.clone()] }
    }

    fn hardly_needed(&self) {
        self.bytes.hardly_needed(&self.range);
    }
}

/// Where weights of a folder lie: one safetensors file, or the shards that its index names.
///
/// # Errors
/// If there is none, or the index does not parse or names a file outside of the folder.
pub(crate) fn find_safetensors(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let single = folder.join("model.safetensors");
    if single.exists() {
        return Ok(vec![single]);
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Err(missing_safetensors(folder));
    }
    let fault = |key: &str, detail: String| EngineError::Config {
        file: index.display().to_string(),
        key: key.into(),
        detail,
    };
    let text = std::fs::read(&index).map_err(|source| EngineError::Io { path: index.clone(), source })?;
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

/// What to say of a folder without safetensors: whether it has weights that are not read, and why.
fn missing_safetensors(folder: &Path) -> EngineError {
    let pickle = ["pytorch_model.bin", "pytorch_model.bin.index.json"].map(|name| folder.join(name));
    match pickle.into_iter().find(|path| path.exists()) {
        Some(path) => EngineError::Pickle { path },
        None => EngineError::Incomplete { folder: folder.to_owned(), missing: "model.safetensors" },
    }
}
