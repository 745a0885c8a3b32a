//! Runs a transformer on one text and shows every site of the pass to a [`Probe`].
//!
//! ```text
//! Checkpoint ──load──▶ Model ──run(encoding, probe)──▶ values at sites ──Recorder──▶ Trace
//! ```
//!
//! [`models`] holds one file per family, [`nn`] what they are made of, [`kernels`] the arithmetic.
//! Everything that can fail does so in [`Model::load`] or before a pass; a pass itself cannot.

pub mod config;
pub mod hub;
pub mod kernels;
pub mod models;
pub mod nn;

mod checkpoint;
mod error;
mod generate;
mod input;
mod memory;
mod model;
mod packer;
mod pattern;
mod probe;
mod shelf;
mod weights;

pub use checkpoint::Checkpoint;
pub use error::EngineError;
pub use generate::{Choice, Ranked};
pub use hub::Cache;
pub use input::Input;
pub use kernels::{Compute, Isa};
pub use model::{Model, Sites};
pub use models::ImageLimits;
pub use pattern::{pattern, pattern_in_bands};
pub use probe::{Edit, Pass, Probe, Recorder};
pub use weights::gguf::GgufMetadata;
pub use weights::{At, Bytes, Weight, Weights};
