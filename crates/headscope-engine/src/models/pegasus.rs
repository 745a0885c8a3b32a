//! PEGASUS (arXiv 1912.08777): BART with positions as sines and cosines, whose blocks normalise before
//! each part.

use super::Family;
use super::bart::{Bart, Shape};

pub(super) const FAMILY: Family = Family {
    model_type: "pegasus",
    about: "PEGASUS: summaries",
    load: |config, weights| {
        let shape = Shape {
            sinusoidal: true,
            embed_norm: false,
            norm_first: true,
            start: Some(0),
            ..Shape::read(config, 50265)?
        };
        Ok(Box::new(Bart::load(&shape, config, weights)?))
    },
};
