//! Attention of a text to itself, from the residual stream and back.

use headscope_trace::{AttentionRule, Point, Tensor};

use super::{HeadLayout, Linear, Normalise, attend, rotate};
use crate::kernels::Turns;
use crate::probe::Pass;

/// Queries, keys and values of a text, what they attend to, and the way back to the width of the model.
pub struct SelfAttention {
    /// What scores come from.
    pub rule: AttentionRule,
    /// The heads of the projection.
    pub heads: HeadLayout,
    /// Queries, keys and values, stacked: one product gives all.
    pub qkv: Linear,
    /// Norms of queries and of keys: of each head, if they are as wide as one, or of all together.
    pub qk_norm: Option<[Box<dyn Normalise>; 2]>,
    /// Whether queries and keys are turned by their positions, and by which of the turns of a pass.
    pub rotary: Rotation,
    /// Back to the width of the model.
    pub out: Linear,
}

/// What becomes of queries and keys by their positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rotation {
    /// The model has no rotary positions.
    Absent,
    /// The model has, but not in this layer: queries and keys stay as they are.
    Idle,
    /// They are turned, by those turns of the pass.
    By(usize),
}

impl SelfAttention {
    /// What attention adds, from `x`, `[tokens, width]`, for a norm to come.
    pub fn forward(&self, x: &Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let z = self.attend(x, turns, pass);
        self.out.forward(&z, pass)
    }

    /// `residual + forward(x)`, where the second term is what `Point::AttnOut` names.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let z = self.attend(x, turns, pass);
        self.out.add_to(residual, &z, Point::AttnOut, pass)
    }

    /// `[tokens, width]` → `[tokens, heads · d_head]`
    fn attend(&self, x: &Tensor, turns: &[Turns], pass: &mut Pass<'_>) -> Tensor {
        let mut qkv = self.qkv.forward(x, pass); // [tokens, (heads + 2 key heads) · d_head]
        if let Some([q_norm, k_norm]) = &self.qk_norm {
            q_norm.forward_part(&mut qkv, self.heads.query_columns(), pass);
            k_norm.forward_part(&mut qkv, self.heads.key_columns(), pass);
        }
        let qkv = match self.rotary {
            Rotation::Absent => qkv,
            Rotation::Idle => rotate(None, self.heads, qkv, pass),
            Rotation::By(which) => rotate(Some(&turns[which]), self.heads, qkv, pass),
        };
        let [q, k, v] = self.heads.split(&qkv);
        attend(&self.rule, q, k, v, pass)
    }
}
