//! What a transformer computed on one text.
//!
//! A [`Trace`] holds the [`Encoding`] of a text, one [`AttentionRule`] per layer and the
//! [`Tensor`] seen at each recorded [`Site`]. It is where the engine and the views meet: the
//! engine fills it, a view reads it, and a saved trace opens without either.
//!
//! Attention is a lazy matrix. The queries and keys of a head, its rule and one log-sum-exp per
//! row determine every weight, so [`Trace::pattern`] and [`Trace::tile`] return what was recorded
//! or compute it, and nothing quadratic in the text is stored unless asked for.
//!
//! ```
//! use headscope_trace::{AttentionRule, Attn, Card, Encoding, Tensor, Trace};
//!
//! let encoding = Encoding::from_ids(&[5, 7], |id| format!("#{id}"));
//! let mut trace = Trace::new(Card::new("tiny", "bert"), encoding, vec![(Attn::block(0), AttentionRule::full(1.0, 1))]);
//! trace.insert("blocks.0.attn.q".parse()?, Tensor::new([1, 2, 1], vec![0.0, 1.0]));
//! trace.insert("blocks.0.attn.k".parse()?, Tensor::new([1, 2, 1], vec![0.0, 1.0]));
//!
//! let pattern = trace.pattern(Attn::block(0), 0).unwrap(); // [queries, keys]
//! assert_eq!(pattern.row(0), [0.5, 0.5]);
//! # Ok::<(), headscope_trace::TraceError>(())
//! ```

mod attention;
mod container;
mod encoding;
mod error;
mod file;
mod picture;
mod position;
mod prediction;
mod site;
mod tensor;
mod trace;

pub use attention::{AttentionRule, Head, Mask};
pub use container::{Container, Described, Header, Section, Values, write_safetensors};
pub use encoding::{Encoding, Token};
pub use error::TraceError;
pub use file::write_atomically;
pub use picture::{Grid, Picture};
pub use position::{Disentangled, Position, PositionTerm};
pub use prediction::{Guess, Prediction};
pub use site::{Attn, AttnPoint, Point, Site, Stack};
pub use tensor::{Heir, Tensor};
pub use trace::{Card, Trace};
