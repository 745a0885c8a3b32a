//! One error for all rooms.

use headscope_engine::EngineError;
use headscope_image::ImageError;
use headscope_text::TextError;
use headscope_trace::TraceError;
use headscope_view::ViewError;
use thiserror::Error;

/// What can go wrong between a text and its picture.
#[derive(Debug, Error)]
pub enum Error {
    /// With a tokenizer or a text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// With an image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// With a model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// With a trace or its file.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// With a view.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl Error {
    /// How to go on, where there is a way.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Text(e) => e.help(),
            Error::Image(e) => e.help(),
            Error::Engine(e) => e.help(),
            Error::Trace(e) => e.help(),
            Error::View(e) => e.help(),
        }
    }
}
