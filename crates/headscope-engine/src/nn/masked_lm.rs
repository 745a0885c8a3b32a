//! The head that guesses masked words.

use headscope_trace::Tensor;

use super::{Linear, Norm};
use crate::EngineError;
use crate::kernels::Activation;
use crate::probe::Pass;
use crate::weights::{At, Weights};

/// Where a checkpoint keeps a head.
#[derive(Clone, Copy)]
pub struct MaskedLmNames {
    /// The layer before the decoder.
    pub dense: &'static str,
    /// The norm between the two.
    pub norm: &'static str,
    /// The map to the vocabulary.
    pub decoder: &'static str,
    /// Its bias, where that is stored beside it.
    pub bias: &'static str,
}

/// The columns on a head's way.
#[derive(Clone, Copy)]
pub struct MaskedLmShape {
    /// Of the residual stream.
    pub width: usize,
    /// Of the table of words.
    pub embedding: usize,
    /// Of the result.
    pub vocabulary: usize,
    /// What the norm adds to the variance.
    pub eps: f32,
    /// What the layer before the norm passes through.
    pub activation: Activation,
}

/// `decoder(norm(activation(dense(x))))`
pub struct MaskedLm {
    /// From the residual stream to the width of the table of words.
    pub dense: Linear,
    /// What it passes through.
    pub activation: Activation,
    /// The norm after that.
    pub norm: Norm,
    /// To the vocabulary.
    pub decoder: Linear,
}

impl MaskedLm {
    /// The head, if the checkpoint has one. By `tied`, its decoder is the table of `words`, unless it has
    /// weights of its own after all.
    ///
    /// # Errors
    /// If only part of it is there, or a tensor is of another shape or dtype, or not finite.
    pub fn find(
        names: &MaskedLmNames,
        shape: &MaskedLmShape,
        tied: bool,
        words: &At<'_>,
        weights: &Weights,
    ) -> Result<Option<MaskedLm>, EngineError> {
        let (w, &MaskedLmShape { width, embedding, vocabulary, eps, activation }) = (weights.at(""), shape);
        let [dense, norm, own] = [names.dense, names.norm, names.decoder].map(|name| w.at(name));
        if !dense.exists() && !norm.exists() && !own.exists() {
            return Ok(None);
        }
        // A bias may be stored with the decoder or beside it, or, where the two are one, both.
        let bias = match own.has("bias") {
            true => own.vector("bias", vocabulary)?,
            false => w.vector(names.bias, vocabulary)?,
        };
        let decoder = if tied && !own.has("weight") { words } else { &own };
        Ok(Some(MaskedLm {
            dense: w.stacked(&[(names.dense, embedding)], width, true)?,
            activation,
            norm: norm.layer_norm(embedding, eps)?,
            decoder: decoder.linear_with(vocabulary, embedding, Some(bias))?,
        }))
    }

    /// `[tokens, width]` → `[tokens, vocabulary]`
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let x = self.dense.activate(x, self.activation, pass);
        let x = self.norm.forward(&x, pass);
        self.decoder.forward(&x, pass)
    }
}
