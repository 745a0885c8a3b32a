//! DINOv2 (arXiv 2304.07193): ViT for images of any size, to whose patches it stretches its table of
//! positions. What each sublayer adds is scaled, dimension by dimension, and its MLP may be gated.

use super::Family;
use super::vit::{Classifier, MlpShape, Reads, Shape, Vit};
use crate::EngineError;
use crate::config::{Config, Positive};

pub(super) const FAMILY: Family = Family {
    model_type: "dinov2",
    about: "DINOv2, from an image of any size",
    load: |config, weights| {
        let shape = shape(config)?;
        let heads = [("classifier", Reads::FirstAndMean)];
        let classifier = Classifier::load(weights, &heads, shape.width)?;
        Ok(Box::new(Vit::load(shape, &weights.root("dinov2"), classifier)?))
    },
};

fn shape(config: &Config) -> Result<Shape, EngineError> {
    config.only("num_register_tokens", 0)?; // they are another family, dinov2_with_registers
    let mut shape = Shape::read(config, 1e-6, 14)?;
    let hidden = shape.width as f64 * config.get("mlp_ratio", Positive(4.0))?.0;
    if !(1.0..1e9).contains(&hidden) {
        return Err(config.fault("mlp_ratio", format!("makes {hidden} of {} dimensions", shape.width)));
    }
    let hidden = hidden as usize;
    shape.mlp = match config.get("use_swiglu_ffn", false)? {
        true => MlpShape::SwiGlu((hidden * 2 / 3).next_multiple_of(8)),
        false => MlpShape::Plain(hidden, config.activation("hidden_act", "gelu")?),
    };
    shape.layer_scale = true;
    shape.norms = ["norm1", "norm2"];
    // The table is stretched from a square, whatever shape the images of its training had.
    let places = shape.grid[0] * shape.grid[1];
    let side = places.isqrt();
    if side * side != places {
        let detail =
            format!("makes {places} patches; expected a square number, from which positions are stretched");
        return Err(config.fault("image_size", detail));
    }
    shape.grid = [side; 2];
    shape.image.any_size = true;
    Ok(shape)
}
