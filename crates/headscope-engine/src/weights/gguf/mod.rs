//! A GGUF file as a checkpoint: its metadata as `config.json`, its tensors by transformers' names.
//!
//! llama.cpp's converter changes some tensors on their way into the file. Here it is undone: rows of Llama's
//! queries and keys are read in another order, Gemma's norms have one taken away.

mod container;
mod names;

use std::sync::Arc;

use serde_json::{Map, json};

use self::container::{Container, Tensor, Value};
use self::names::{ARCHITECTURES, Architecture, BLOCK_TENSORS, KEYS, NEEDED, READ, SILENT, TENSORS, ZERO};
use super::Bytes;
use super::entry::{Entry, Order};
use crate::EngineError;
use crate::kernels::{Dtype, Stored};

/// How fast a pair of dimensions turns, divided: Llama 3's scaling, as numbers.
const ROPE_FREQS: &str = "rope_freqs.weight";

/// The tensors of a file, named as in transformers.
pub(super) fn entries(file: &str, bytes: &Bytes) -> Result<Vec<Entry>, EngineError> {
    let gguf = Gguf::read(file, bytes)?;
    let tensors = gguf.container.tensors.iter().filter(|tensor| tensor.name != ROPE_FREQS);
    tensors.map(|tensor| gguf.entry(tensor, bytes)).collect()
}

/// What `config.json` would say.
pub(crate) fn config(file: &str, bytes: &[u8]) -> Result<Vec<u8>, EngineError> {
    Ok(Gguf::read(file, bytes)?.config()?.to_string().into_bytes())
}

/// What a GGUF file says beside its tensors, by key: of the tokenizer that it carries, for those who read such.
/// A value that is there and of another type is an error.
pub struct GgufMetadata<'a>(Gguf<'a>);

impl<'a> GgufMetadata<'a> {
    pub(crate) fn read(file: &'a str, bytes: &'a [u8]) -> Result<GgufMetadata<'a>, EngineError> {
        Gguf::read(file, bytes).map(GgufMetadata)
    }

    /// The text of `key`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, key: &str) -> Result<Option<String>, EngineError> {
        self.0.of_type(key, "a text", as_text)
    }

    /// The number of `key`.
    ///
    /// # Errors
    /// If it is no whole number from 0 to 2³² - 1.
    pub fn whole(&self, key: &str) -> Result<Option<u32>, EngineError> {
        self.0.of_type(key, "a whole number", |value| as_whole(value)?.try_into().ok())
    }

    /// The answer of `key`.
    ///
    /// # Errors
    /// If it is neither true nor false.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, EngineError> {
        self.0.of_type(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        })
    }

    /// The texts of the list `key`.
    ///
    /// # Errors
    /// If it is something else, or one of them is no UTF-8.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, EngineError> {
        self.0.list(key, "texts", as_text)
    }

    /// The numbers of the list `key`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, EngineError> {
        self.0.list(key, "numbers", |value| match value {
            Value::Whole(number) => Some(number as f64),
            Value::Negative(number) => Some(number as f64),
            Value::Real(number) => Some(number),
            _ => None,
        })
    }
}

fn as_text(value: Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_owned()),
        _ => None,
    }
}

fn as_whole(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Whole(number) => Some(number),
        _ => None,
    }
}

/// A file whose architecture is known.
struct Gguf<'a> {
    file: &'a str,
    bytes: &'a [u8],
    container: Container<'a>,
    architecture: &'static Architecture,
}

impl<'a> Gguf<'a> {
    fn read(file: &'a str, bytes: &'a [u8]) -> Result<Gguf<'a>, EngineError> {
        let container = Container::read(bytes).map_err(|detail| EngineError::Container {
            file: file.to_owned(),
            format: "GGUF",
            detail,
        })?;
        let mut gguf = Gguf { file, bytes, container, architecture: &ARCHITECTURES[0] };
        match gguf.value("general.type") {
            None | Some(Value::Text("model")) => {}
            Some(other) => {
                return Err(gguf.fault("general.type", format!("is {other}; supported is \"model\"")));
            }
        }
        let key = "general.architecture";
        let name = gguf.text(key)?;
        gguf.architecture = ARCHITECTURES.iter().find(|known| known.name == name).ok_or_else(|| {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|known| known.name).collect();
            gguf.fault(key, format!("is {name:?}; supported are {}", known.join(", ")))
        })?;
        match gguf.value("split.count") {
            None | Some(Value::Whole(0 | 1)) => Ok(gguf),
            Some(count) => {
                let detail = format!("is {count}; join the files with llama-gguf-split --merge");
                Err(gguf.fault("split.count", detail))
            }
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.container.metadata.get(key).copied()
    }

    /// A key of this architecture, as the file spells it.
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name)
    }

    fn fault(&self, key: &str, detail: String) -> EngineError {
        EngineError::Config { file: self.file.to_owned(), key: key.to_owned(), detail }
    }

    /// The value of `key`, if it is there.
    fn of_type<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, EngineError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.fault(key, format!("is {value}; expected {expected}")))
    }

    /// All values of a list, if it is there.
    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, EngineError> {
        let list = self.of_type(key, &format!("a list of {expected}"), |value| match value {
            Value::List(list) => Some(list),
            _ => None,
        })?;
        let read = |(i, value): (usize, Result<Value<'a>, String>)| {
            let value = value.map_err(|detail| self.fault(key, detail))?;
            read(value).ok_or_else(|| self.fault(key, format!("has {value} at {i}; expected {expected}")))
        };
        list.map(|list| list.values().enumerate().map(read).collect()).transpose()
    }

    fn text(&self, key: &str) -> Result<String, EngineError> {
        let fault = || self.fault(key, "is missing; expected a text".into());
        self.of_type(key, "a text", as_text)?.ok_or_else(fault)
    }

    /// The number of a key of this architecture, if it is there.
    fn whole(&self, key: &str) -> Result<Option<u64>, EngineError> {
        self.of_type(&self.key(key), "a whole number", as_whole)
    }

    fn needed(&self, key: &str) -> Result<u64, EngineError> {
        let fault = || self.fault(&self.key(key), "is missing; expected a whole number".into());
        self.whole(key)?.ok_or_else(fault)
    }

    // ------------------------------------------------------------ the configuration

    fn config(&self) -> Result<serde_json::Value, EngineError> {
        let Architecture { model_type, class, keys, .. } = self.architecture;
        self.refuse_unknown_keys()?;
        if let Some(missing) = NEEDED.iter().find(|key| self.value(&self.key(key)).is_none()) {
            return Err(self.fault(&self.key(missing), "is missing; expected a number".into()));
        }
        let mut config = Map::new();
        config.insert("model_type".into(), json!(model_type));
        config.insert("architectures".into(), json!([class]));
        config.insert("tie_word_embeddings".into(), json!(!self.has("output.weight")));
        config.insert("vocab_size".into(), json!(self.vocabulary()?));
        // What llama.cpp takes for granted where a file is silent.
        config.insert("rope_theta".into(), json!(10_000.0));
        config.insert("num_key_value_heads".into(), json!(self.needed("attention.head_count")?));
        for (key, meaning) in KEYS.iter().chain(*keys) {
            if let Some(value) = self.value(&self.key(key)) {
                config.insert((*meaning).into(), self.plain(key, value)?);
            }
        }
        if let Some(d_head) = self.d_head()? {
            config.insert("head_dim".into(), json!(d_head));
        }
        if let Some(scaling) = self.rope_scaling()? {
            config.insert("rope_scaling".into(), scaling);
        }
        if let Some(end) = self.of_type("tokenizer.ggml.eos_token_id", "a whole number", as_whole)? {
            config.insert("eos_token_id".into(), json!(end));
        }
        if let Some(scalar) = self.query_scalar()? {
            config.insert("query_pre_attn_scalar".into(), json!(scalar));
        }
        config.insert("attention_bias".into(), json!(self.has("blk.0.attn_output.bias")));
        config.insert("mlp_bias".into(), json!(self.has("blk.0.ffn_down.bias")));
        Ok(config.into())
    }

    /// A number as JSON has it.
    fn plain(&self, key: &str, value: Value<'_>) -> Result<serde_json::Value, EngineError> {
        match value {
            Value::Whole(number) => Ok(json!(number)),
            Value::Real(number) if number.is_finite() => Ok(json!(number)),
            other => Err(self.fault(&self.key(key), format!("is {other}; expected a number"))),
        }
    }

    fn refuse_unknown_keys(&self) -> Result<(), EngineError> {
        let prefix = self.key("");
        for (full, value) in &self.container.metadata {
            let Some(key) = full.strip_prefix(&prefix) else { continue };
            let mapped = KEYS.iter().chain(self.architecture.keys).any(|(known, _)| *known == key);
            if mapped || READ.contains(&key) || SILENT.contains(&key) {
                continue;
            }
            match value {
                Value::Whole(0) if ZERO.contains(&key) => {}
                Value::Bool(true) if key == "attention.causal" => {}
                _ => return Err(self.fault(full, format!("is {value}; it is not supported"))),
            }
        }
        Ok(())
    }

    fn has(&self, tensor: &str) -> bool {
        self.container.tensors.iter().any(|known| known.name == tensor)
    }

    /// How many words the table has.
    fn vocabulary(&self) -> Result<usize, EngineError> {
        let name = "token_embd.weight";
        let words = self.container.tensors.iter().find(|tensor| tensor.name == name);
        words.and_then(|words| words.shape.first()).copied().ok_or_else(|| EngineError::Tensor {
            file: self.file.to_owned(),
            name: name.to_owned(),
            detail: "is missing; expected the table of words".into(),
        })
    }

    /// The width of a head, all of which must turn and be as wide as values.
    fn d_head(&self) -> Result<Option<u64>, EngineError> {
        let (key, turning) = (self.whole("attention.key_length")?, self.whole("rope.dimension_count")?);
        let d_head = key.or(turning);
        for (name, width) in [
            ("rope.dimension_count", turning),
            ("attention.value_length", self.whole("attention.value_length")?),
        ] {
            if let (Some(found), Some(d_head)) = (width, d_head)
                && found != d_head
            {
                return Err(
                    self.fault(&self.key(name), format!("is {found}; supported is the head's {d_head}"))
                );
            }
        }
        Ok(d_head)
    }

    /// How positions beyond the training are reached, as transformers writes it.
    fn rope_scaling(&self) -> Result<Option<serde_json::Value>, EngineError> {
        let kind = match self.value(&self.key("rope.scaling.type")) {
            None | Some(Value::Text("none")) => None,
            Some(_) => Some(self.text(&self.key("rope.scaling.type"))?),
        };
        if let Some(divisors) = self.container.tensors.iter().find(|tensor| tensor.name == ROPE_FREQS) {
            if let Some(kind) = kind {
                let detail = format!("is {kind:?} beside {ROPE_FREQS}; expected one of them");
                return Err(self.fault(&self.key("rope.scaling.type"), detail));
            }
            return Ok(Some(json!({"rope_type": "divided", "divisors": self.numbers(divisors)?})));
        }
        let Some(kind) = kind else { return Ok(None) };
        let mut scaling = Map::new();
        scaling.insert("rope_type".into(), json!(kind));
        for (key, meaning) in [
            ("rope.scaling.factor", "factor"),
            ("rope.scaling.original_context_length", "original_max_position_embeddings"),
        ] {
            if let Some(value) = self.value(&self.key(key)) {
                scaling.insert(meaning.into(), self.plain(key, value)?);
            }
        }
        Ok(Some(scaling.into()))
    }

    /// What Gemma's scores are divided by the root of, which its files do not say.
    fn query_scalar(&self) -> Result<Option<u64>, EngineError> {
        let Some(wide) = self.architecture.wide_scale else { return Ok(None) };
        if self.whole("block_count")? == Some(wide) {
            let (width, heads) = (self.needed("embedding_length")?, self.needed("attention.head_count")?);
            return Ok(width.checked_div(heads));
        }
        self.d_head()
    }

    // ------------------------------------------------------------ the tensors

    fn entry(&self, tensor: &Tensor<'_>, bytes: &Bytes) -> Result<Entry, EngineError> {
        let fault = |detail: String| EngineError::Tensor {
            file: self.file.to_owned(),
            name: tensor.name.to_owned(),
            detail,
        };
        let name = self
            .transformers_name(tensor.name)
            .ok_or_else(|| fault(format!("is in no {} that is supported", self.architecture.name)))?;
        let mut entry = Entry {
            name,
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
            bytes: bytes.clone(),
            range: tensor.range.clone(),
            order: self.order(tensor).map_err(fault)?,
        };
        if self.architecture.norms_plus_one && tensor.name.ends_with("norm.weight") {
            let values = self.numbers(tensor)?.into_iter().flat_map(|value| (value - 1.0).to_le_bytes());
            let values: Vec<u8> = values.collect();
            entry.range = 0..values.len();
            entry.bytes = Bytes::Owned(Arc::new(values));
            entry.dtype = "F32".into();
        }
        Ok(entry)
    }

    /// `blk.3.attn_q.weight` as `model.layers.3.self_attn.q_proj.weight`.
    fn transformers_name(&self, name: &str) -> Option<String> {
        let (path, kind) = name.rsplit_once('.').filter(|(_, kind)| ["weight", "bias"].contains(kind))?;
        let find = |tables: &[&[(&str, &'static str)]], part: &str| {
            tables.iter().copied().flatten().find(|(known, _)| *known == part).map(|(_, meaning)| *meaning)
        };
        let Some(rest) = path.strip_prefix("blk.") else {
            return Some(format!("{}.{kind}", find(&[TENSORS], path)?));
        };
        let (block, part) = rest.split_once('.')?;
        let block: usize = block.parse().ok()?;
        let part = find(&[BLOCK_TENSORS, self.architecture.tensors], part)?;
        Some(format!("model.layers.{block}.{part}.{kind}"))
    }

    /// The order of a tensor's rows: Llama's queries and keys have their own.
    fn order(&self, tensor: &Tensor<'_>) -> Result<Order, String> {
        let of_queries = tensor.name.contains(".attn_q.");
        if !self.architecture.interleaved || !(of_queries || tensor.name.contains(".attn_k.")) {
            return Ok(Order::AsStored);
        }
        let heads = self.whole("attention.head_count");
        let key_heads = if of_queries { Ok(None) } else { self.whole("attention.head_count_kv") };
        let heads = match (heads, key_heads) {
            (Ok(heads), Ok(key_heads)) => key_heads.or(heads).unwrap_or(0) as usize,
            _ => 0,
        };
        let rows = tensor.shape.first().copied().unwrap_or(0);
        match rows.checked_div(heads) {
            Some(d_head) if d_head > 0 && d_head * heads == rows && d_head.is_multiple_of(2) => {
                Ok(Order::Interleaved { d_head })
            }
            _ => Err(format!("has {rows} rows; expected an even number for each of {heads} heads")),
        }
    }

    /// The numbers of a small tensor.
    fn numbers(&self, tensor: &Tensor<'_>) -> Result<Vec<f32>, EngineError> {
        let dtype = Dtype::named(&tensor.dtype).ok_or_else(|| EngineError::Tensor {
            file: self.file.to_owned(),
            name: tensor.name.to_owned(),
            detail: format!("is {}; expected F32", tensor.dtype),
        })?;
        Ok(Stored { dtype, bytes: &self.bytes[tensor.range.clone()] }.to_f32())
    }
}

#[cfg(test)]
mod tests;
