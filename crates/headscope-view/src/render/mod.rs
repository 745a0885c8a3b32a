//! Renderers: one file per form.

pub mod html;
