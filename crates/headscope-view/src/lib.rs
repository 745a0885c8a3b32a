//! From a trace to what a person sees.
//!
//! ```text
//! Trace ──metrics──▶ numbers per head ┐
//! Trace ──atlas────▶ a thumbnail each ┴──view_data──▶ safetensors ──render::html────▶ a page
//!                                                  └─────────────render::figure──▶ SVG
//! ```
//!
//! Nothing here knows a model: a saved trace is enough.

pub mod metrics;
pub mod render;

mod atlas;
mod error;
mod view_data;

pub use error::ViewError;
pub use view_data::{Focus, Part, ROUNDED_WITHIN, ViewData, rounded};
