//! mBART (arXiv 2001.08210): BART for many languages, whose blocks normalise before each part. What the
//! decoder reads begins with the code of a language, so that no token is first in all texts.

use super::Family;
use super::bart::{Bart, Shape};

pub(super) const FAMILY: Family = Family {
    model_type: "mbart",
    about: "mBART and mBART-50: translation between many languages",
    load: |config, weights| {
        let shape = Shape { norm_first: true, ..Shape::read(config, 50265)? };
        Ok(Box::new(Bart::load(&shape, config, weights)?))
    },
};
