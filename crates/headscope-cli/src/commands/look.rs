//! An image in place of a text: what the commands do with models that see.

use std::time::Instant;

use anyhow::Result;
use headscope::view::ViewData;
use headscope::{Encoding, Error, ImageModel, Input, Trace};

use super::Hinted;
use crate::runner::{sites_of_view, view_of};
use crate::source;

/// Refuses what is asked of texts alone.
pub fn only(model: &ImageModel, generate: bool) -> Result<(), Hinted> {
    let what = format!("{} reads images; it continues no text", model.engine().card().id);
    match generate {
        true => Err(Hinted { what, help: "leave --generate out, or choose a language model".into() }),
        false => Ok(()),
    }
}

/// The image that a text names, as the model reads it.
fn input(model: &ImageModel, text: &str, pair: Option<&str>) -> Result<Input> {
    let path = source::image(&model.engine().card().id, text, pair)?;
    Ok(model.read(path)?)
}

/// Its special tokens and patches.
pub fn tokens(model: &ImageModel, text: &str, pair: Option<&str>) -> Result<Encoding> {
    Ok(input(model, text, pair)?.text)
}

/// Runs it and keeps the values at the sites of these names.
pub fn trace(model: &ImageModel, text: &str, pair: Option<&str>, sites: &str) -> Result<Trace> {
    let sites = model.engine().sites(sites).map_err(Error::from)?;
    let input = input(model, text, pair)?;
    Ok(model.engine().trace(input, &sites).map_err(Error::from)?)
}

/// Runs it and makes it ready to be shown.
pub fn view(model: &ImageModel, text: &str, pair: Option<&str>) -> Result<ViewData> {
    let start = Instant::now();
    let input = input(model, text, pair)?;
    let sites = sites_of_view(model.engine(), &input);
    let trace = model.engine().trace(input, &sites).map_err(Error::from)?;
    Ok(view_of(model.engine(), trace, start.elapsed())?)
}
