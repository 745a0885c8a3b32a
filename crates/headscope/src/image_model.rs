//! A model that sees, with what its images go through before.

use std::path::Path;

use headscope_engine::{ImageLimits, Input, Sites};
use headscope_image::{Filter, Image, Prepared, Processor};
use headscope_trace::{Grid, Picture, Trace};

use crate::{AnyModel, ModelFiles};
use crate::{Compute, Error};

/// A model whose tokens are the patches of an image.
pub struct ImageModel {
    engine: headscope_engine::Model,
    limits: ImageLimits,
    processor: Processor,
}

/// The longer side of the picture that a trace carries.
const SHOWN: usize = 224;

impl ImageModel {
    /// Loads the model in a folder that holds `config.json`, safetensors and, where images go through something
    /// unusual, `preprocessor_config.json`.
    ///
    /// # Errors
    /// If a file is missing or cannot be used, or the model reads texts.
    pub fn open(folder: impl AsRef<Path>, compute: &Compute) -> Result<ImageModel, Error> {
        match AnyModel::load(&ModelFiles::open(folder)?, compute)? {
            AnyModel::Image(model) => Ok(model),
            AnyModel::Text(model) => {
                let model = model.engine().card().id.clone();
                Err(headscope_engine::EngineError::NoEyes { model }.into())
            }
        }
    }

    pub(crate) fn new(
        engine: headscope_engine::Model,
        limits: ImageLimits,
        processor: Processor,
    ) -> ImageModel {
        ImageModel { engine, limits, processor }
    }

    /// The model alone: sites, probes, pixels.
    pub fn engine(&self) -> &headscope_engine::Model {
        &self.engine
    }

    /// Makes of an image called `name` what the model reads: pixels, and tokens that name their patches.
    ///
    /// # Errors
    /// If the image is far longer than wide. One of the wrong size is an error of the pass.
    pub fn prepare(&self, name: &str, image: &Image) -> Result<Input, Error> {
        let Prepared { pixels, shown } = self.processor.prepare(image)?;
        let grid = self.limits.grid(shown.height, shown.width);
        let text = self.limits.encoding(name, shown.height, shown.width);
        let picture = (!grid.is_empty()).then(|| picture(&shown, grid, self.limits.patch));
        Ok(Input { pixels: Some(pixels), picture, ..text.into() })
    }

    /// The same of a png or jpeg file.
    ///
    /// # Errors
    /// If it cannot be read, or is no whole png or jpeg, or as [`prepare`](ImageModel::prepare).
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Input, Error> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.prepare(&name, &Image::open(path)?)
    }

    /// Runs the image in a file and keeps every head's pattern.
    ///
    /// # Errors
    /// As [`read`](ImageModel::read), and if the image has another size than the model takes.
    pub fn trace(&self, path: impl AsRef<Path>) -> Result<Trace, Error> {
        Ok(self.engine.trace(self.read(path)?, &Sites::patterns(&self.engine))?)
    }
}

/// What the patches cover, small enough for a page.
fn picture(shown: &Image, grid: Grid, [patch_height, patch_width]: [usize; 2]) -> Picture {
    let covered = shown.corner(grid.rows * patch_height, grid.columns * patch_width);
    let longer = covered.height.max(covered.width);
    let small = |side: usize| (side * SHOWN / longer).max(1);
    let Image { height, width, rgb } = match longer > SHOWN {
        true => covered.resize(small(covered.height), small(covered.width), Filter::Bilinear),
        false => covered,
    };
    Picture { grid, height, width, rgb: rgb.into() }
}
