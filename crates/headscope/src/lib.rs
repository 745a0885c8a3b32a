//! See what every head of a transformer attends to.
//!
//! ```text
//! text ──Tokenizer──▶ Encoding ──Model──▶ Trace ──ViewData──▶ html::standalone
//! ```
//!
//! - [`Tokenizer`](text::Tokenizer) turns a text or a pair into an [`Encoding`]: ids, pieces, spans.
//!   For models that see, an [`ImageModel`] cuts an [`Image`](image::Image) into patches.
//! - [`engine::Model`] runs it and shows every [`Site`] of the pass to a [`Probe`].
//! - a [`Trace`] keeps what was recorded, computes any attention pattern from queries and keys, and
//!   saves to a safetensors file that numpy reads.
//! - [`ViewData`](view::ViewData) adds a thumbnail and the metrics of each head;
//!   [`html::standalone`](view::render::html::standalone) makes a page of it,
//!   [`figure::draw`](view::render::figure::draw) an SVG file.
//!
//! ```no_run
//! use headscope::{Attn, Compute, Isa, Model};
//!
//! let model = Model::open("models/gte-small", &Compute::new(4, Isa::detect()))?;
//! let trace = model.trace("The cat sat on the mat", Some("The dog played in the park"))?;
//! let pattern = trace.pattern(Attn::block(1), 11).expect("recorded"); // [queries, keys]
//! println!("cat attends to sat: {:.3}", pattern.row(2)[3]);
//! trace.save("cat-and-dog.safetensors")?;
//! # Ok::<(), headscope::Error>(())
//! ```

mod error;
mod generate;
mod gguf;
mod image_model;
mod model;
pub mod notebook;

pub use error::Error;
pub use generate::Generation;
pub use image_model::ImageModel;
pub use model::{AnyModel, Model, ModelFiles};

pub use headscope_engine::{Cache, Choice, Compute, Edit, Input, Isa, Probe, Recorder, Sites};
pub use headscope_trace::{
    Attn, AttnPoint, Encoding, Guess, Point, Prediction, Site, Stack, Tensor, Token, Trace,
};

/// Running models: [`headscope_engine`].
pub use headscope_engine as engine;
/// Image files: [`headscope_image`].
pub use headscope_image as image;
/// Tokenizers: [`headscope_text`].
pub use headscope_text as text;
/// Traces and their file: [`headscope_trace`].
pub use headscope_trace as trace;
/// Metrics, views and pages: [`headscope_view`].
pub use headscope_view as view;
