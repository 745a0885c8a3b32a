//! A convolution along the text.

use headscope_trace::Tensor;

use super::{Linear, Norm};
use crate::kernels::{self, Activation};
use crate::probe::Pass;

/// Sums over each token and its neighbours, with zeros around the text, that are added to the residual stream
/// and normalised.
pub struct Conv {
    /// The weights, as a linear map of the columns of all neighbours: those of column 0 first.
    pub linear: Linear,
    /// How many tokens meet in a sum, an odd number.
    pub kernel: usize,
    /// What a sum passes through.
    pub activation: Activation,
    /// What follows.
    pub norm: Norm,
}

impl Conv {
    /// `norm(residual + activation(conv(x)))`, all `[tokens, width]`.
    pub fn forward(&self, residual: &Tensor, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let mixed = self.linear.activate(&self.neighbours(x, pass), self.activation, pass);
        let mut sum = pass.blank(residual.shape());
        kernels::add(pass.compute, residual, &mixed, sum.values_mut());
        self.norm.forward(&sum, pass)
    }

    /// `[tokens, width · kernel]`: for each column of x, that of a token and its neighbours.
    fn neighbours(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let (tokens, width, reach) = (x.shape()[0], x.shape()[1], self.kernel / 2);
        let mut neighbours = pass.zeros(&[tokens, width * self.kernel]);
        for (token, out) in neighbours.values_mut().chunks_exact_mut(width * self.kernel).enumerate() {
            for i in (0..self.kernel).filter(|i| (reach..tokens + reach).contains(&(token + i))) {
                let row = x.row(token + i - reach);
                out[i..].iter_mut().step_by(self.kernel).zip(row).for_each(|(out, x)| *out = *x);
            }
        }
        neighbours
    }
}
