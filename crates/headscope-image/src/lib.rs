//! Image files to the pixels that a model takes.
//!
//! ```text
//! png, jpeg ──Image──▶ rows of RGB ──Processor──▶ pixels, [3, height, width]
//! ```
//!
//! [`Image`] decodes a file as `Image.open(file).convert("RGB")` does in Pillow. A [`Processor`] does what
//! `preprocessor_config.json` says, as transformers' image processors do on Pillow: to the bit, since a model
//! sees every rounding. What it does not understand it refuses by name.

mod decode;
mod error;
mod jpeg;
mod processor;
mod resize;

pub use decode::{Image, is_image};
pub use error::ImageError;
pub use processor::{Prepared, Processor, Usual};
pub use resize::Filter;
