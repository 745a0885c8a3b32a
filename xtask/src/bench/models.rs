//! The models that are timed: BERT-base and a small llama with seeded weights, and gte-small itself.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::peers::Peers;
use crate::tools::{finish, root, target};

/// A model's shape, from which its cost follows.
pub struct Model {
    /// Its name here and the name of its folder.
    pub name: &'static str,
    /// How tables call it.
    pub title: &'static str,
    pub layers: usize,
    pub heads: usize,
    pub d_head: usize,
    pub width: usize,
    /// Numbers in the weight matrices of a layer.
    pub matrices: usize,
    /// Bytes of such a number, as headscope keeps it.
    pub bytes: usize,
    /// Whether a query sees only the keys up to it.
    pub causal: bool,
    /// Whether it has a tokenizer.
    pub reads_text: bool,
    pub tokens: &'static [usize],
    pub quick_tokens: &'static [usize],
}

pub const MODELS: &[Model] = &[
    Model {
        name: "bert-base",
        title: "BERT-base, f32",
        layers: 12,
        heads: 12,
        d_head: 64,
        width: 768,
        matrices: 4 * 768 * 768 + 2 * 768 * 3072,
        bytes: 4,
        causal: false,
        reads_text: true,
        tokens: &[8, 16, 37, 128, 512],
        quick_tokens: &[16, 128, 512],
    },
    Model {
        name: "gte-small",
        title: "gte-small, f16",
        layers: 12,
        heads: 12,
        d_head: 32,
        width: 384,
        matrices: 4 * 384 * 384 + 2 * 384 * 1536,
        bytes: 2,
        causal: false,
        reads_text: true,
        tokens: &[8, 16, 37, 128, 512],
        quick_tokens: &[16, 128],
    },
    Model {
        name: "smollm-135m",
        title: "the shape of SmolLM-135M (llama, 9 heads on 3), bf16",
        layers: 30,
        heads: 9,
        d_head: 64,
        width: 576,
        matrices: 2 * 576 * 576 + 2 * 192 * 576 + 3 * 576 * 1536,
        bytes: 2,
        causal: true,
        reads_text: false,
        tokens: &[8, 16, 37, 128, 512, 2048],
        quick_tokens: &[16, 128],
    },
];

/// What pages show; its patterns are of BERT-base's shape, and longer.
pub const OF_PAGES: Model = Model {
    name: "bert-base-2048",
    title: "BERT-base with 2,048 positions, f32",
    tokens: &[16, 64, 128, 256, 512, 2048],
    ..MODELS[0]
};

impl Model {
    /// The model of that name.
    pub fn by_name(name: &str) -> Result<&'static Model> {
        let names = || MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(", ");
        let found = MODELS.iter().find(|model| model.name == name);
        found.with_context(|| format!("no model is called {name:?}; there are {}", names()))
    }

    /// Where it lies, in the layout of Hugging Face.
    pub fn folder(&self) -> PathBuf {
        target().join("bench").join(self.name)
    }

    /// Multiplications and additions of a pass: the linear layers, and both products of attention.
    pub fn operations(&self, tokens: usize) -> f64 {
        let pairs = if self.causal { tokens * (tokens + 1) / 2 } else { tokens * tokens };
        let linear = 2 * self.layers * self.matrices * tokens;
        let attention = 4 * self.layers * self.heads * self.d_head * pairs;
        (linear + attention) as f64
    }

    /// Bytes of the matrices that every pass reads.
    pub fn weight_bytes(&self) -> usize {
        self.layers * self.matrices * self.bytes
    }

    /// Numbers in all patterns, if of each head's queries only `rows` are counted.
    pub fn pattern_numbers(&self, rows: usize, tokens: usize) -> usize {
        self.layers * self.heads * rows * tokens
    }

    /// Makes the checkpoint when it is not there.
    ///
    /// A file is made once; remove `target/bench` to have all made anew.
    pub fn make(&self, peers: &Peers) -> Result<()> {
        let folder = self.folder();
        fs::create_dir_all(&folder)?;
        let gte_small = root().join("models/gte-small");
        let copy =
            |file: &str| fs::copy(gte_small.join(file), folder.join(file)).with_context(|| file.to_owned());
        if !folder.join("model.safetensors").exists() {
            if self.name == "gte-small" {
                copy("config.json")?;
                copy("model.safetensors")?;
            } else {
                finish(peers.ours(&["make", self.name, &folder.display().to_string()]))?;
            }
        }
        if self.reads_text {
            copy("tokenizer.json")?;
            copy("tokenizer_config.json")?;
        }
        Ok(())
    }

    /// Makes its graph for ONNX Runtime when that is there and the graph is not.
    pub fn make_graph(&self, peers: &Peers) -> Result<()> {
        let folder = self.folder();
        let graph = folder.join("onnx");
        if peers.has_onnxruntime() && !graph.join("model.onnx").exists() {
            let [from, to] = [&folder, &graph].map(|path| path.display().to_string());
            finish(peers.script("graphs.py", &[&from, &to]))?;
        }
        Ok(())
    }
}
