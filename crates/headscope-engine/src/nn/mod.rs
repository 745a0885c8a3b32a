//! What transformers are made of, on [`Tensor`]s: linear maps, tables, norms, rotary positions, attention,
//! gated MLPs.
//!
//! A model file composes these. None of them knows a model family; what differs between families
//! is an argument.

mod attention;
mod conv;
mod distances;
mod masked_lm;
mod mlp;
mod position;
mod post_norm;
mod projected;
mod rotary;

pub(crate) use attention::is_causal;
pub use attention::{HeadLayout, Projection, attend, attend_with};
pub use conv::Conv;
pub use distances::Distances;
pub use masked_lm::{MaskedLm, MaskedLmNames, MaskedLmShape};
pub use mlp::GatedMlp;
pub(crate) use position::{Meeting, PositionTerm};
pub use post_norm::{PostNorm, PostNormNames, PostNormShape};
pub use projected::{CrossAttention, SelfAttention};
pub use rotary::{Rotary, rotate};

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
        let addend = self.forward(x, pass);
        let addend = pass.tap(point, addend);
        let mut sum = pass.blank(addend.shape());
        kernels::add(pass.compute, residual, &addend, sum.values_mut());
        sum
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
    /// Normalises each row of `[tokens, width]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let (width, bias) = (self.weight.len(), self.bias.as_deref());
        let mut out = pass.blank(x.shape());
        kernels::layer_norm(pass.compute, x, width, &self.weight, bias, self.eps, out.values_mut());
        out
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
    /// Normalises each row of `[tokens, width]`.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let mut out = pass.blank(x.shape());
        kernels::rms_norm(pass.compute, x, self.weight.len(), &self.weight, self.eps, out.values_mut());
        out
    }

    /// Normalises some heads of each row of `[tokens, heads · d_head]`, in place.
    pub fn forward_heads(&self, x: &mut Tensor, heads: Range<usize>, pass: &Pass<'_>) {
        let columns = x.shape()[1];
        kernels::rms_norm_heads(pass.compute, x.values_mut(), columns, heads, &self.weight, self.eps);
    }
}
