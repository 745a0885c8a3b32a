//! Patterns in a byte a number, for pages that must stay small where no queries and keys tell them.
//!
//! A weight is `(byte / 255)²`. On a square-root scale small weights, of which there are many, keep more of
//! their digits; and long rows, whose weights are small, have few different bytes, so that they pack well.

use headscope_trace::{Section, Tensor, Values};

/// Weights with a byte each.
pub(crate) struct Roots {
    shape: Vec<usize>,
    bytes: Vec<u8>,
    /// The largest difference to the weights.
    pub(crate) loss: f64,
}

impl Roots {
    pub(crate) fn new(pattern: &Tensor) -> Roots {
        let squares: [f32; 256] = std::array::from_fn(|byte| (byte as f32 / 255.0).powi(2));
        let mut loss = 0.0f32;
        let byte = |weight: &f32| {
            let byte = (weight.sqrt() * 255.0).round() as u8;
            loss = loss.max((weight - squares[usize::from(byte)]).abs());
            byte
        };
        let bytes = pattern.iter().map(byte).collect();
        Roots { shape: pattern.shape().to_vec(), bytes, loss: f64::from(loss) }
    }

    /// What a page carries in the place of the pattern of this name.
    pub(crate) fn section(&self, name: &str) -> Section<'_> {
        Section { name: format!("{name}.roots"), shape: self.shape.clone(), values: Values::U8(&self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_weights_keep_more_of_their_digits() {
        let weights = vec![0.0, 1.0, 0.5, 0.002, 1e-6];
        let roots = Roots::new(&Tensor::new([1, 1, 5], weights.clone()));
        let back: Vec<f32> = roots.bytes.iter().map(|byte| (f32::from(*byte) / 255.0).powi(2)).collect();
        assert_eq!(back[..2], [0.0, 1.0]);
        let off: Vec<f32> = weights.iter().zip(&back).map(|(weight, back)| (weight - back).abs()).collect();
        assert!(off[2] < 2.8e-3 && off[3] < 1.8e-4 && off[4] < 4e-6, "{off:?}");
        assert_eq!(roots.loss, f64::from(off.into_iter().fold(0.0, f32::max)));
    }
}
