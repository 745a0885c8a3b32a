//! A checkpoint's tensors: memory-mapped, addressed by path, kept in the file's dtype.
//!
//! A file of any format becomes a list of [`Entry`]s by the names that transformers gives them
//! (`safetensors.rs`, `gguf.rs`, `pickle/`); from there on nobody knows which format it was.

mod bytes;
mod entry;
mod files;
mod format;
pub(crate) mod gguf;
mod pickle;
mod safetensors;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use bytes::Bytes;
pub use entry::Weight;
use entry::{Entry, Order};
pub(crate) use files::find_weights;
use format::Format;

use crate::EngineError;
use crate::kernels::{self, AsStored, Compute, Dtype};
use crate::nn::{Embedding, Linear, Norm, RmsNorm};

/// One file of weights.
struct Source {
    name: String,
    bytes: Bytes,
}

/// Every tensor of a checkpoint.
pub struct Weights {
    sources: Vec<Source>,
    /// Every tensor and the file that holds it.
    entries: HashMap<String, (usize, Entry)>,
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
    /// Reads what the files say of their tensors: safetensors, GGUF or PyTorch's, told apart by how they
    /// begin.
    ///
    /// # Errors
    /// If a file is cut short or contradicts itself, or a tensor is in two files.
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
        for entry in Format::of(&source.bytes).entries(&source.name, &source.bytes)? {
            if let Some((other, _)) = self.entries.get(&entry.name) {
                let detail = match self.sources.get(*other) {
                    Some(other) => format!("is in {} too; expected one", other.name),
                    None => "is there twice; expected one".into(), // this file is no source yet
                };
                return Err(EngineError::Tensor { file: source.name, name: entry.name, detail });
            }
            self.entries.insert(entry.name.clone(), (self.sources.len(), entry));
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
        self.at(if self.at(prefix).exists() { prefix } else { "" })
    }

    /// The most frequent dtype by bytes, for the card.
    pub fn dtype(&self) -> String {
        let mut bytes: HashMap<String, usize> = HashMap::new();
        for (_, entry) in self.entries.values() {
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
        self.keep(kernels::Linear::in_place(parts, n_in, bias))
    }

    fn keep(&self, layer: kernels::Linear<Weight>) -> Linear {
        let layer = Arc::new(layer);
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

    /// The size of the first axis of the tensor called `name`, if there is one.
    pub fn rows(&self, name: &str) -> Option<usize> {
        self.weights.entries.get(&self.name(name))?.1.shape.first().copied()
    }

    /// Whether there is any tensor below here.
    pub fn exists(&self) -> bool {
        let below = format!("{}.", self.path);
        self.weights.entries.keys().any(|name| name.starts_with(&below))
    }

    /// Whether there is any tensor below one of these places.
    pub fn has_any(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.at(part).exists())
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

    /// A linear map from the tensors `weight`, `[n_out, …]`, whose other axes are read as one (those of a
    /// convolution), and `bias`.
    ///
    /// # Errors
    /// As [`linear`](At::linear), and if there is no bias.
    pub fn linear_over(&self, n_out: usize, axes: &[usize]) -> Result<Linear, EngineError> {
        let weight = self.tensor("weight", &[&[n_out], axes].concat())?;
        let bias = Some(self.vector("bias", n_out)?);
        Ok(self.weights.layer(vec![(weight, n_out)], axes.iter().product(), bias))
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
            biases.extend(part.bias_if(bias, n_out)?.unwrap_or_default());
        }
        Ok(self.weights.layer(weights, n_in, bias.then_some(biases)))
    }

    /// The linear map of this place, with a bias or not, as the configuration says, whose outputs are stored
    /// in another order than they are wanted in: `groups` are the places of every `size` of them.
    ///
    /// # Errors
    /// As [`stacked`](At::stacked).
    pub fn regrouped(
        &self,
        groups: &[usize],
        size: usize,
        n_in: usize,
        bias: bool,
    ) -> Result<Linear, EngineError> {
        let n_out = groups.len() * size;
        let weight = self.tensor("weight", &[n_out, n_in])?;
        let rows = |group: &usize| weight.slice(group * size * n_in..(group + 1) * size * n_in);
        let weights = groups.iter().map(|group| (rows(group), size)).collect();
        let bias = self.bias_if(bias, n_out)?;
        let bias =
            bias.map(|bias| groups.iter().flat_map(|group| &bias[group * size..][..size]).copied().collect());
        Ok(self.weights.layer(weights, n_in, bias))
    }

    /// A linear map from the tensors `weight`, stored `[n_in, n_out]`, and `bias`.
    ///
    /// # Errors
    /// As [`linear`](At::linear), and if there is no bias.
    pub fn linear_by_input(&self, n_out: usize, n_in: usize) -> Result<Linear, EngineError> {
        let weight = self.by_input("weight", &[n_in, n_out])?;
        let bias = self.vector("bias", n_out)?;
        Ok(self.weights.keep(kernels::Linear::by_input(weight, n_out, n_in, Some(bias))))
    }

    /// A tensor whose last axis are outputs: of those, no block can be made.
    fn by_input(&self, name: &str, shape: &[usize]) -> Result<Weight, EngineError> {
        let weight = self.tensor(name, shape)?;
        if weight.dtype.is_quantised() {
            let detail = format!(
                "is {:?}; expected F32, F16 or BF16 of a matrix that is stored by input",
                weight.dtype
            );
            return Err(EngineError::Tensor { file: self.weights.files(), name: self.name(name), detail });
        }
        Ok(weight)
    }

    /// `n` linear maps from the tensors called `name`, `[n, n_in, n_out]`, and `name_bias`, `[n, n_out]`.
    ///
    /// # Errors
    /// As [`linear_by_input`](At::linear_by_input).
    pub fn experts(
        &self,
        name: &str,
        n: usize,
        n_out: usize,
        n_in: usize,
    ) -> Result<Vec<Linear>, EngineError> {
        let weight = self.by_input(name, &[n, n_in, n_out])?;
        let bias = self.values(&format!("{name}_bias"), &[n, n_out])?;
        let expert = |i: usize| {
            let weight = weight.slice(i * n_in * n_out..(i + 1) * n_in * n_out);
            let bias = bias[i * n_out..][..n_out].to_vec();
            self.weights.keep(kernels::Linear::by_input(weight, n_out, n_in, Some(bias)))
        };
        Ok((0..n).map(expert).collect())
    }

    /// A normalisation from `weight` and `bias`, or `gamma` and `beta` as older checkpoints call
    /// them.
    ///
    /// # Errors
    /// As [`linear`](At::linear).
    pub fn layer_norm(&self, width: usize, eps: f32) -> Result<Norm, EngineError> {
        let is_old = self.has("gamma") || self.has("beta");
        let (weight, bias) = if is_old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(Norm { weight: self.vector(weight, width)?, bias: Some(self.vector(bias, width)?), eps })
    }

    /// A normalisation from `weight` and, as the configuration says, `bias`.
    ///
    /// # Errors
    /// As [`stacked`](At::stacked).
    pub fn layer_norm_with(&self, width: usize, eps: f32, bias: bool) -> Result<Norm, EngineError> {
        match bias {
            true => self.layer_norm(width, eps),
            false if self.has("bias") => Err(self.unexpected("bias")),
            false => Ok(Norm { weight: self.vector("weight", width)?, bias: None, eps }),
        }
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

    /// A small table from the tensor `weight`, widened to f32: its rows.
    ///
    /// # Errors
    /// As [`vector`](At::vector).
    pub fn table(&self, rows: usize, width: usize) -> Result<Vec<Vec<f32>>, EngineError> {
        let values = self.values("weight", &[rows, width])?;
        Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    /// The vector called `name`, widened to f32.
    ///
    /// # Errors
    /// If it is missing, of another shape or dtype, or not finite.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, EngineError> {
        self.values(name, &[len])
    }

    /// All values of a tensor, widened to f32 and looked at.
    ///
    /// # Errors
    /// As [`vector`](At::vector).
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EngineError> {
        let weight = self.tensor(name, shape)?;
        let stored = weight.stored().to_f32();
        let values = match (weight.order, shape) {
            (Order::Interleaved { .. }, [len]) => (0..*len).map(|i| stored[weight.order.place(i)]).collect(),
            _ => stored,
        };
        if !values.iter().all(|value| value.is_finite()) {
            let name = self.name(name);
            return Err(self.weights.not_finite(self.weights.entries[&name].0, &name));
        }
        Ok(values)
    }

    fn bias(&self, len: usize) -> Result<Option<Vec<f32>>, EngineError> {
        if self.has("bias") { self.vector("bias", len).map(Some) } else { Ok(None) }
    }

    /// The vector called `bias`, if there is to be one.
    fn bias_if(&self, wanted: bool, len: usize) -> Result<Option<Vec<f32>>, EngineError> {
        match wanted {
            true => self.vector("bias", len).map(Some),
            false if self.has("bias") => Err(self.unexpected("bias")),
            false => Ok(None),
        }
    }

    /// The tensor called `name`, which must have `shape` and a float dtype. Its values are not
    /// looked at: a pass notices by its products when one is not finite.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Weight, EngineError> {
        let name = self.name(name);
        let Some((source, entry)) = self.weights.entries.get(&name) else {
            let detail = format!("is missing; expected one of shape {shape:?}");
            return Err(EngineError::Tensor { file: self.weights.files(), name, detail });
        };
        let file = &self.weights.sources[*source].name;
        let fault = |detail| EngineError::Tensor { file: file.clone(), name: name.clone(), detail };
        if entry.shape != shape {
            return Err(fault(format!("has shape {:?}; the configuration asks for {shape:?}", entry.shape)));
        }
        let Some(dtype) = Dtype::named(&entry.dtype) else {
            let known = Dtype::NAMES.map(|(name, _)| name).join(", ");
            return Err(fault(format!("is {}; expected one of {known}", entry.dtype)));
        };
        let Entry { bytes, range, order, .. } = entry;
        let weight = Weight { bytes: bytes.clone(), range: range.clone(), dtype, order: *order };
        self.weights.used().tensors.push((*source, name, weight.clone()));
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
