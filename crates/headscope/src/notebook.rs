//! Traces, views and figures as the output of a cell in a Rust notebook (evcxr).

use std::io::{self, Write};

use headscope_trace::Trace;
use headscope_view::render::figure::Figure;
use headscope_view::render::html;
use headscope_view::{Focus, ViewData};

use crate::Error;

/// The height of a frame, in pixels: the workbench without scrolling.
const HEIGHT: u32 = 640;

/// What evcxr calls to show a cell's value; to be in scope where that is a [`Trace`], a [`ViewData`] or a [`Figure`].
///
/// ```text
/// :dep headscope = { path = "crates/headscope" }
/// use headscope::notebook::EvcxrDisplay;
/// model.trace("The cat sat on the mat", None)?
/// ```
pub trait EvcxrDisplay {
    /// The value as HTML for a cell.
    ///
    /// # Errors
    /// If there is nothing to show, or more than can be shown.
    fn cell(&self) -> Result<String, Error>;

    /// Writes [`cell`](EvcxrDisplay::cell), or why there is none, to the notebook.
    fn evcxr_display(&self) {
        let (kind, content) = match self.cell() {
            Ok(html) => ("text/html", html),
            Err(error) => ("text/plain", format!("error: {error}")),
        };
        // A notebook that has gone reads nothing.
        let _ = writeln!(io::stdout(), "EVCXR_BEGIN_CONTENT {kind}\n{content}\nEVCXR_END_CONTENT");
    }
}

impl EvcxrDisplay for Trace {
    fn cell(&self) -> Result<String, Error> {
        ViewData::new(self.clone())?.cell()
    }
}

impl EvcxrDisplay for ViewData {
    fn cell(&self) -> Result<String, Error> {
        Ok(html::framed(self, &Focus::default(), HEIGHT))
    }
}

impl EvcxrDisplay for Figure {
    fn cell(&self) -> Result<String, Error> {
        Ok(self.svg().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use headscope_trace::{AttentionRule, Attn, AttnPoint, Card, Encoding, Tensor};

    use super::*;
    use headscope_view::render::figure;

    #[test]
    fn a_trace_is_shown_in_a_frame_or_says_why_not() {
        let encoding = Encoding::from_ids(&[1], |id| id.to_string());
        let rules = vec![(Attn::block(0), AttentionRule::full(1.0, 1))];
        let mut trace = Trace::new(Card::new("tiny", "bert"), encoding, rules);
        assert!(trace.cell().unwrap_err().to_string().contains("no attention"));
        trace.insert(Attn::block(0).site(AttnPoint::Pattern), Tensor::new([1, 1, 1], vec![1.0]));
        assert!(trace.cell().unwrap().contains("<iframe class=\"headscope-frame\""));
        let figure = figure::draw(&ViewData::new(trace).unwrap(), &figure::Settings::default()).unwrap();
        assert!(figure.cell().unwrap().starts_with("<svg "));
    }
}
