//! The embedded default model: gte-small (thenlper/gte-small, arXiv 2308.03281), a BERT of 12 layers
//! of 12 heads that was trained to embed sentences. It has no language-model head.
//!
//! Only what ends in a binary depends on this crate, so that libraries stay small.

/// The name it goes by.
pub const ID: &str = "gte-small";

/// `config.json`.
pub static CONFIG: &[u8] = include_bytes!("../config.json");

/// `tokenizer.json`.
pub static TOKENIZER: &[u8] = include_bytes!("../tokenizer.json");

/// `model.safetensors`: 33 million weights in f16.
pub static WEIGHTS: &[u8] = include_bytes!("../model.safetensors");
