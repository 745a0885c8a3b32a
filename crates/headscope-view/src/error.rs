//! Why a trace cannot be shown.

use thiserror::Error;

/// Why a trace cannot be shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ViewError {
    /// It holds neither patterns nor queries and keys.
    #[error("the trace holds no attention: no block has its pattern, or its q and k")]
    NoAttention,
    /// It has no token.
    #[error("the trace has no token")]
    NoToken,
    /// More than can be shown.
    #[error("the trace has {found} {what}; at most {limit} can be shown")]
    TooMany {
        /// `tokens` or `heads`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many can be shown.
        limit: usize,
    },
    /// More than a figure can hold.
    #[error("the figure would have {found} {what}; at most {limit} are told apart")]
    Crowded {
        /// `heads`, or `tokens in a column`.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there can be.
        limit: usize,
    },
    /// A part of the model that the trace has nothing of.
    #[error("{part} cannot be shown; the trace has {shown}")]
    NoPart {
        /// `encoder`, `decoder` or `cross`.
        part: &'static str,
        /// The parts that can be shown.
        shown: String,
    },
    /// A layer that the trace has nothing of.
    #[error("there is no layer {layer} to show; the trace has {shown}")]
    NotShown {
        /// The layer, as the model counts.
        layer: usize,
        /// The layers that can be shown.
        shown: String,
    },
    /// A layer, head or token that the trace does not have.
    #[error("there is no {what} {found}; the trace has {what}s 0 to {}", n.saturating_sub(1))]
    OutOfRange {
        /// `layer`, `head` or `token`.
        what: &'static str,
        /// What was asked for.
        found: usize,
        /// How many there are.
        n: usize,
    },
}

impl ViewError {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            ViewError::NoAttention => {
                Some("trace the text again without --sites, or with --sites 'blocks.*.attn.pattern'".into())
            }
            ViewError::Crowded { what: "heads", .. } => Some("draw some of them".into()),
            ViewError::Crowded { .. } => {
                Some("draw the matrix view, which sums long texts up, or write a page, which scrolls".into())
            }
            ViewError::NoToken
            | ViewError::TooMany { .. }
            | ViewError::NoPart { .. }
            | ViewError::NotShown { .. }
            | ViewError::OutOfRange { .. } => None,
        }
    }
}
