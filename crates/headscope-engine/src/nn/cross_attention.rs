//! Attention of a decoder to its encoder, from the residual stream and back.

use headscope_trace::{AttentionRule, Point, Tensor};

use super::{Linear, Projection, attend};
use crate::probe::Pass;

/// Attention of a decoder to what an encoder made of the text.
pub struct CrossAttention {
    /// How they attend.
    pub rule: AttentionRule,
    /// Columns per head.
    pub d_head: usize,
    /// Queries, of the decoder's tokens.
    pub q: Linear,
    /// Keys and values, stacked, of the encoder's.
    pub kv: Linear,
    /// Back to the width of the model.
    pub out: Linear,
}

impl CrossAttention {
    /// `residual + attention(x, encoded)`, where the second term is `cross_attn_out`.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, encoded: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        pass.cross();
        let (n_heads, d_head) = (self.rule.query_heads, self.d_head);
        let q = self.q.forward(x, pass); // [target, heads · d_head]
        let kv = match pass.remembers_block() {
            true => pass.blank(&[0, 2 * n_heads * d_head]),
            false => self.kv.forward(encoded, pass), // [source, 2 · heads · d_head]
        };
        let part = |from, i| Projection { from, start: i * n_heads * d_head, n_heads, d_head };
        let z = attend(&self.rule, part(&q, 0), part(&kv, 0), part(&kv, 1), pass); // [target, heads · d_head]
        self.out.add_to(residual, &z, Point::CrossAttnOut, pass)
    }
}
