//! Renderers: one file, or folder, per form.

pub mod figure;
pub mod html;
