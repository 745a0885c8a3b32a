//! DeiT (arXiv 2012.12877): ViT with a second special token, which learned from a teacher.

use super::Family;
use super::vit::{Classifier, Reads, Shape, Vit};

pub(super) const FAMILY: Family = Family {
    model_type: "deit",
    about: "DeiT, from an image, with its distillation token",
    load: |config, weights| {
        let mut shape = Shape::read(config, 1e-12, 16)?;
        shape.image.specials = &["[CLS]", "[DIST]"];
        shape.specials = &["cls_token", "distillation_token"];
        // With its teacher's classifier, the scores are the mean of both.
        let with_teacher =
            [("cls_classifier", Reads::Token(0)), ("distillation_classifier", Reads::Token(1))];
        let heads = match weights.at("").has_any(&["cls_classifier", "distillation_classifier"]) {
            true => &with_teacher[..],
            false => &[("classifier", Reads::Token(0))],
        };
        let classifier = Classifier::load(weights, heads, shape.width)?;
        Ok(Box::new(Vit::load(shape, &weights.root("deit"), classifier)?))
    },
};
