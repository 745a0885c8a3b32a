//! What a model reads.

use headscope_trace::{Encoding, Picture, Tensor};

/// A text or an image, and what else some models read with it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The text; of two stacks, what the encoder reads; of an image, its patches.
    pub text: Encoding,
    /// What the decoder of two stacks reads.
    pub target: Option<Encoding>,
    /// An image as a model takes it, `[channels, height, width]`.
    pub pixels: Option<Tensor>,
    /// What is shown of the image; a pass does not look at it.
    pub picture: Option<Picture>,
}

impl Input {
    /// What a model continues when it writes: what the decoder reads, or the text.
    pub(crate) fn continued(&self) -> &Encoding {
        self.target.as_ref().unwrap_or(&self.text)
    }

    pub(crate) fn continued_mut(&mut self) -> &mut Encoding {
        self.target.as_mut().unwrap_or(&mut self.text)
    }
}

impl From<Encoding> for Input {
    fn from(text: Encoding) -> Input {
        Input { text, target: None, pixels: None, picture: None }
    }
}
