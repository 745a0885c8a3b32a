//! What transformers are made of, on [`Tensor`]s: linear maps, tables, norms, rotary positions, attention,
//! MLPs, patches.
//!
//! A model file composes these. None of them knows a model family; what differs between families
//! is an argument.

mod attention;
mod conv;
mod cross_attention;
mod distances;
mod experts;
mod masked_lm;
mod mlp;
mod position;
mod post_norm;
mod rotary;
mod self_attention;
mod vision;

pub(crate) use attention::is_causal;
pub use attention::{HeadLayout, Projection, attend, attend_with};
pub use conv::Conv;
pub use cross_attention::CrossAttention;
pub use distances::Distances;
pub use experts::Experts;
pub use masked_lm::{MaskedLm, MaskedLmNames, MaskedLmShape};
pub use mlp::{GatedMlp, Mlp, gated};
pub(crate) use position::{Meeting, PositionTerm};
pub use post_norm::{PostNorm, PostNormNames, PostNormShape};
pub use rotary::{Rotary, RotaryUsual, rotate};
pub use self_attention::{Rotation, SelfAttention};
pub use vision::{LayerScale, Patches, PlaceTable};

use std::ops::Range;
use std::sync::Arc;

use headscope_trace::{Point, Tensor};

use crate::kernels::{self, Activation, AsStored, Epilogue};
use crate::probe::Pass;
use crate::weights::Weight;

/// `y = x Wᵀ + b`.
pub struct Linear(pub(crate) Arc<kernels::Linear<Weight>>);

impl Linear {
    /// `[tokens, n_in]` → `[tokens, n_out]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        self.run(x, Epilogue::Store, pass)
    }

    /// The same, through an activation function.
    pub fn activate(&self, x: &Tensor, activation: Activation, pass: &Pass<'_>) -> Tensor {
        self.run(x, Epilogue::Activate(activation), pass)
    }

    /// `residual + forward(x)`, where the second term is what `point` names: in one step unless a
    /// probe wants to see it.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        if !pass.wants(point) {
            return self.run(x, Epilogue::Add(residual), pass);
        }
        add_to(residual, self.forward(x, pass), point, pass)
    }

    fn run(&self, x: &Tensor, epilogue: Epilogue<'_>, pass: &Pass<'_>) -> Tensor {
        let rows = x.shape()[0];
        let mut out = pass.blank(&[rows, self.0.n_out()]);
        if !self.0.forward(pass.compute, x, rows, epilogue, out.values_mut()) {
            pass.found_not_finite();
        }
        out
    }
}

/// `residual + addend`, where the second term is what `point` names.
pub fn add_to(residual: &Tensor, addend: Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
    let addend = pass.tap(point, addend);
    let mut sum = pass.blank(addend.shape());
    kernels::add(pass.compute, residual, &addend, sum.values_mut());
    sum
}

/// `cap · tanh(x / cap)` of each number: what is far below the cap stays nearly as it is
/// (arXiv 2408.00118).
pub fn soft_cap(mut x: Tensor, cap: f32, pass: &Pass<'_>) -> Tensor {
    x.values_mut().iter_mut().for_each(|x| *x /= cap);
    Activation::Tanh.apply(pass.compute, x.values_mut());
    x.values_mut().iter_mut().for_each(|x| *x *= cap);
    x
}

/// A table of vectors, looked up in the file. Only the vectors looked up are ever read; one that
/// is not finite is found by the first product that it enters.
pub struct Embedding {
    /// The table, `[rows, width]`.
    pub weight: Weight,
    /// How many vectors there are.
    pub rows: usize,
    /// Their width.
    pub width: usize,
}

impl Embedding {
    /// Adds the vectors of `rows`, one per token, to `out` (`[tokens, width]`).
    pub fn add_rows(&self, rows: impl Iterator<Item = usize>, out: &mut [f32]) {
        let mut vector = vec![0.0; self.width];
        for (row, out) in rows.zip(out.chunks_exact_mut(self.width)) {
            self.weight.stored().widen(row * self.width..(row + 1) * self.width, &mut vector);
            for (out, value) in out.iter_mut().zip(&vector) {
                *out += value;
            }
        }
    }

    /// The same as vectors of positions, which are shown before they are added.
    pub fn add_positions(&self, rows: impl Iterator<Item = usize>, x: &mut Tensor, pass: &mut Pass<'_>) {
        if !pass.wants(Point::PosEmbed) {
            return self.add_rows(rows, x.values_mut());
        }
        let mut vectors = pass.zeros(x.shape());
        self.add_rows(rows, vectors.values_mut());
        let vectors = pass.tap(Point::PosEmbed, vectors);
        x.values_mut().iter_mut().zip(vectors.iter()).for_each(|(x, vector)| *x += vector);
    }
}

/// A norm of one kind or another.
pub trait Normalise: Send + Sync {
    /// Normalises each row of `[tokens, width]`.
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor;

    /// Normalises each vector as wide as the weight, side by side in some columns of `[tokens, columns]`,
    /// in place.
    fn forward_part(&self, x: &mut Tensor, part: Range<usize>, pass: &Pass<'_>);
}

/// LayerNorm (arXiv 1607.06450).
pub struct Norm {
    /// The factor of each dimension.
    pub weight: Vec<f32>,
    /// The offset of each dimension, in models that have it.
    pub bias: Option<Vec<f32>>,
    /// What is added to the variance.
    pub eps: f32,
}

impl Norm {
    /// A norm without weights: its factors are 1, and it has no offsets.
    pub fn plain(width: usize, eps: f32) -> Norm {
        Norm { weight: vec![1.0; width], bias: None, eps }
    }

    /// Normalises each row of `[tokens, width]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let (width, bias) = (self.weight.len(), self.bias.as_deref());
        let mut out = pass.blank(x.shape());
        kernels::layer_norm(pass.compute, x, width, &self.weight, bias, self.eps, out.values_mut());
        out
    }
}

impl Normalise for Norm {
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        Norm::forward(self, x, pass)
    }

    fn forward_part(&self, x: &mut Tensor, part: Range<usize>, pass: &Pass<'_>) {
        let (columns, bias) = (x.shape()[1], self.bias.as_deref());
        kernels::layer_norm_part(pass.compute, x.values_mut(), columns, part, &self.weight, bias, self.eps);
    }
}

/// RMSNorm (arXiv 1910.07467).
pub struct RmsNorm {
    /// The factor of each dimension.
    pub weight: Vec<f32>,
    /// What is added to the mean square.
    pub eps: f32,
}

impl RmsNorm {
    /// The norm whose weights were stored as what they are more than `base`.
    pub fn above(mut self, base: f32) -> RmsNorm {
        self.weight.iter_mut().for_each(|weight| *weight += base);
        self
    }

    /// Normalises each row of `[tokens, width]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let mut out = pass.blank(x.shape());
        kernels::rms_norm(pass.compute, x, self.weight.len(), &self.weight, self.eps, out.values_mut());
        out
    }
}

impl Normalise for RmsNorm {
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        RmsNorm::forward(self, x, pass)
    }

    fn forward_part(&self, x: &mut Tensor, part: Range<usize>, pass: &Pass<'_>) {
        let columns = x.shape()[1];
        kernels::rms_norm_part(pass.compute, x.values_mut(), columns, part, &self.weight, self.eps);
    }
}
