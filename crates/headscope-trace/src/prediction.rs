//! What a model held to be likely.

use serde::{Deserialize, Serialize};

/// What a model expected in one place of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The place: a token of the text, or of what the decoder read.
    pub position: usize,
    /// The probability of the token that stands there; absent where that is a mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The likeliest tokens, in order.
    pub top: Vec<Guess>,
}

/// A token that might stand somewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// Its id.
    pub id: u32,
    /// Its entry in the vocabulary.
    pub piece: String,
    /// How probable it is, from 0 to 1.
    pub probability: f64,
}
