//! A block that normalises *after* it has added to the residual stream, from attention's mixed values on.

use headscope_trace::{Point, Tensor};

use super::{Linear, Norm};
use crate::EngineError;
use crate::kernels::Activation;
use crate::probe::Pass;
use crate::weights::At;

/// Where a block keeps its weights: paths below it.
#[derive(Clone, Copy)]
pub struct PostNormNames {
    /// From heads back to the residual stream.
    pub attn_out: &'static str,
    /// The norm after attention.
    pub attn_norm: &'static str,
    /// The first layer of the MLP.
    pub mlp_in: &'static str,
    /// The second.
    pub mlp_out: &'static str,
    /// The norm after the MLP.
    pub mlp_norm: &'static str,
}

/// What a block is made of.
#[derive(Clone, Copy)]
pub struct PostNormShape {
    /// Where its weights are.
    pub names: PostNormNames,
    /// Columns of the residual stream.
    pub width: usize,
    /// Columns inside the MLP.
    pub d_mlp: usize,
    /// What norms add to the variance.
    pub eps: f32,
    /// What the MLP passes through.
    pub activation: Activation,
}

/// `norm(x + mlp(x))` of `x = norm(x + attn_out(z))`.
pub struct PostNorm {
    attn_out: Linear,
    attn_norm: Norm,
    mlp_in: Linear,
    activation: Activation,
    mlp_out: Linear,
    mlp_norm: Norm,
}

impl PostNorm {
    /// The weights of the block at `w`.
    ///
    /// # Errors
    /// If one is missing, of another shape or dtype, or not finite.
    pub fn load(shape: &PostNormShape, w: &At<'_>) -> Result<PostNorm, EngineError> {
        let &PostNormShape { names, width, d_mlp, eps, activation } = shape;
        Ok(PostNorm {
            attn_out: w.stacked(&[(names.attn_out, width)], width, true)?,
            attn_norm: w.at(names.attn_norm).layer_norm(width, eps)?,
            mlp_in: w.stacked(&[(names.mlp_in, d_mlp)], width, true)?,
            activation,
            mlp_out: w.stacked(&[(names.mlp_out, width)], d_mlp, true)?,
            mlp_norm: w.at(names.mlp_norm).layer_norm(width, eps)?,
        })
    }

    /// What enters the block and what its heads made of it, both `[tokens, width]`, to what leaves it.
    pub fn forward(&self, x: &Tensor, z: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let x = self.attn_out.add_to(x, z, Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let x = self.attn_norm.forward(&x, pass);
        let hidden = self.mlp_in.activate(&x, self.activation, pass); // [tokens, d_mlp]
        let x = self.mlp_out.add_to(&x, &hidden, Point::MlpOut, pass);
        let x = pass.tap(Point::ResidPost, x);
        self.mlp_norm.forward(&x, pass)
    }
}
