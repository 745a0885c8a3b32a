//! Feed-forward layers.

use headscope_trace::{Point, Tensor};

use super::Linear;
use crate::kernels::{self, Activation};
use crate::probe::Pass;

/// `down(activation(up(x)))`.
pub struct Mlp {
    /// To the hidden width.
    pub up: Linear,
    /// What the hidden numbers pass through.
    pub activation: Activation,
    /// Back to the width of the model.
    pub down: Linear,
}

impl Mlp {
    /// `residual + forward(x)`, where the second term is what `point` names.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        let hidden = self.up.activate(x, self.activation, pass); // [tokens, d_mlp]
        self.down.add_to(residual, &hidden, point, pass)
    }
}

/// `down(activation(gate(x)) · up(x))`, as SwiGLU is (arXiv 2002.05202).
pub struct GatedMlp {
    /// Gate and up, stacked: one product gives both.
    pub gate_up: Linear,
    /// What the gate passes through.
    pub activation: Activation,
    /// Back to the width of the model.
    pub down: Linear,
}

impl GatedMlp {
    /// `[tokens, width]` → `[tokens, width]`, for a norm to come.
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        self.down.forward(&gated(&self.gate_up, self.activation, x, pass), pass)
    }

    /// `residual + forward(x)`, where the second term is what `point` names.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        let hidden = gated(&self.gate_up, self.activation, x, pass);
        self.down.add_to(residual, &hidden, point, pass)
    }
}

/// `activation(gate(x)) · up(x)`, both from one product.
pub fn gated(gate_up: &Linear, activation: Activation, x: &Tensor, pass: &Pass<'_>) -> Tensor {
    let gate_up = gate_up.forward(x, pass); // [tokens, 2 d_mlp]
    let (tokens, d_mlp) = (gate_up.shape()[0], gate_up.shape()[1] / 2);
    let mut hidden = pass.blank(&[tokens, d_mlp]);
    kernels::gate(pass.compute, &gate_up, d_mlp, activation, hidden.values_mut());
    hidden
}
