//! What a model reads.

use headscope_trace::Encoding;

/// A text, and what else some models read with it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The text; of two stacks, what the encoder reads.
    pub text: Encoding,
    /// What the decoder of two stacks reads.
    pub target: Option<Encoding>,
}

impl From<Encoding> for Input {
    fn from(text: Encoding) -> Input {
        Input { text, target: None }
    }
}
