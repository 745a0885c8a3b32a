//! Attention of every head, with its taps. Families differ only in the rule they pass.

use std::ops::Range;

use headscope_trace::{AttentionRule, AttnPoint, Mask, Position, Tensor};

use crate::kernels::{self, AttendRule, Attended, Heads};
use crate::memory::KeysValues;
use crate::probe::Pass;

use super::position::{Meeting, PositionTerm};

/// The heads of a stacked projection, `[tokens, (n_heads + 2 n_key_heads) · d_head]`: queries, then keys,
/// then values.
#[derive(Clone, Copy)]
pub struct HeadLayout {
    /// The number of heads that ask.
    pub n_heads: usize,
    /// The number of heads that are asked, each by `n_heads / n_key_heads` of the former.
    pub n_key_heads: usize,
    /// Columns per head.
    pub d_head: usize,
}

impl HeadLayout {
    /// As many heads that ask as are asked.
    pub fn alike(n_heads: usize, d_head: usize) -> HeadLayout {
        HeadLayout { n_heads, n_key_heads: n_heads, d_head }
    }

    /// The columns of the queries.
    pub fn query_columns(self) -> Range<usize> {
        0..self.n_heads * self.d_head
    }

    /// The columns of the keys.
    pub fn key_columns(self) -> Range<usize> {
        self.n_heads * self.d_head..(self.n_heads + self.n_key_heads) * self.d_head
    }

    /// Where the heads of a stacked projection are found in one that has them head by head: query, key and
    /// value of the first, then those of the second.
    pub fn from_head_by_head(self) -> Vec<usize> {
        (0..3).flat_map(|part| (0..self.n_heads).map(move |head| 3 * head + part)).collect()
    }

    /// The columns of all queries, and of all keys or values.
    pub fn widths(self) -> (usize, usize) {
        (self.n_heads * self.d_head, self.n_key_heads * self.d_head)
    }

    /// How its heads attend to what `mask` leaves, by the product of queries and keys times `scale`.
    pub fn rule(self, scale: f64, mask: Mask) -> AttentionRule {
        AttentionRule { mask, key_heads: self.n_key_heads, ..AttentionRule::full(scale, self.n_heads) }
    }

    /// Queries, keys and values of a stacked projection.
    pub fn split(self, qkv: &Tensor) -> [Projection<'_>; 3] {
        let HeadLayout { n_heads, n_key_heads, d_head } = self;
        let part = |first, n_heads| Projection { from: qkv, start: first * d_head, n_heads, d_head };
        [part(0, n_heads), part(n_heads, n_key_heads), part(n_heads + n_key_heads, n_key_heads)]
    }
}

/// Queries, keys or values: some columns of a `[tokens, columns]` projection, cut into heads.
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    /// The whole projection.
    pub from: &'a Tensor,
    /// Its first column that belongs to us.
    pub start: usize,
    /// How many heads there are.
    pub n_heads: usize,
    /// Columns per head.
    pub d_head: usize,
}

impl<'a> Projection<'a> {
    fn heads(self) -> Heads<'a> {
        let (tokens, columns) = (self.from.shape()[0], self.from.shape()[1]);
        Heads {
            data: &self.from[self.start.min(self.from.len())..],
            n_heads: self.n_heads,
            tokens,
            d_head: self.d_head,
            head_stride: self.d_head,
            token_stride: columns,
        }
    }

    /// What a probe returned for these heads, if one wants them: `[heads, tokens, d_head]`.
    pub(super) fn tap(self, point: AttnPoint, pass: &mut Pass<'_>) -> Option<Tensor> {
        pass.wants_attn(point).then(|| pass.tap_attn(point, by_head(self.heads())))
    }
}

/// The heads of a tapped tensor, or of the projection.
fn seen<'a>(tapped: Option<&'a Tensor>, projection: Projection<'a>) -> Heads<'a> {
    match tapped {
        None => projection.heads(),
        Some(tensor) => {
            let (tokens, d_head) = (tensor.shape()[1], tensor.shape()[2]);
            Heads {
                data: tensor,
                n_heads: projection.n_heads,
                tokens,
                d_head,
                head_stride: tokens * d_head,
                token_stride: d_head,
            }
        }
    }
}

/// `softmax(rule(q·k))·v` for every head, `[tokens, heads · d_head]`.
///
/// Taps `q`, `k`, `v`, `scores`, `lse`, `pattern` and `z`, building only what a probe wants. A
/// probe that rewrites scores or pattern has the rest computed from what it returned.
pub fn attend(
    rule: &AttentionRule,
    q: Projection<'_>,
    k: Projection<'_>,
    v: Projection<'_>,
    pass: &mut Pass<'_>,
) -> Tensor {
    attend_with(rule, q, k, v, [None, None], pass)
}

/// The same where keys meet the first of two tables of distances' vectors, and queries the second:
/// `pos_q` and `pos_k`, which are tapped too.
pub fn attend_with(
    rule: &AttentionRule,
    q: Projection<'_>,
    k: Projection<'_>,
    v: Projection<'_>,
    [pos_q, pos_k]: [Option<Projection<'_>>; 2],
    pass: &mut Pass<'_>,
) -> Tensor {
    let tapped = [q.tap(AttnPoint::Q, pass), k.tap(AttnPoint::K, pass), v.tap(AttnPoint::V, pass)];
    let (q, k, v) = (seen(tapped[0].as_ref(), q), seen(tapped[1].as_ref(), k), seen(tapped[2].as_ref(), v));
    let remembered = pass.remembered(k, v);
    let [k, v] = remembered.as_ref().map_or([k, v], KeysValues::heads);
    let (heads, queries, keys) = (q.n_heads, q.tokens, k.tokens);
    let tapped = [(AttnPoint::PosQ, pos_q), (AttnPoint::PosK, pos_k)]
        .map(|(point, vectors)| vectors.and_then(|vectors| vectors.tap(point, pass)));
    let pos_q = pos_q.map(|vectors| seen(tapped[0].as_ref(), vectors));
    let pos_k = pos_k.map(|vectors| seen(tapped[1].as_ref(), vectors));

    let mut z = pass.blank(&[queries, heads * v.d_head]);
    let build = |point, shape: &[usize]| pass.wants_attn(point).then(|| pass.blank(shape));
    let mut scores = build(AttnPoint::Scores, &[heads, queries, keys]);
    let mut lse = build(AttnPoint::Lse, &[heads, queries]);
    // What a mask leaves out of a pattern is not written.
    let padding = pass.padding();
    let masked = rule.mask != Mask::Full || padding.is_some();
    let mut pattern = match masked {
        true => pass.wants_attn(AttnPoint::Pattern).then(|| pass.zeros(&[heads, queries, keys])),
        false => build(AttnPoint::Pattern, &[heads, queries, keys]),
    };
    let first = pass.first_query(queries, keys);
    let may_see = |query| rule.mask.keys(first + query, keys);
    let position = rule.position.as_ref().and_then(|position| match position {
        Position::Disentangled(term) => {
            let meeting = Meeting { q, k, pos_q, pos_k };
            Some(PositionTerm::disentangled(pass.compute, term, rule.scale as f32, meeting))
        }
        by_distance => PositionTerm::new(by_distance, 0..heads, first..first + queries, keys),
    });
    let add_position = position.as_ref().map(|term| {
        move |head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]| {
            term.add(head, query, keys, scores);
        }
    });
    let kernel_rule = AttendRule {
        scale: rule.scale as f32,
        keys: &may_see,
        causal: is_causal(rule.mask),
        padding,
        soft_cap: rule.soft_cap,
        bias: add_position.as_ref().map(|add| add as _),
        sink: rule.sink.as_deref(),
    };
    let out = Attended {
        z: Some(z.values_mut()),
        lse: lse.as_mut().map(Tensor::values_mut),
        scores: scores.as_mut().map(Tensor::values_mut),
        pattern: pattern.as_mut().map(Tensor::values_mut),
    };
    kernels::attend(pass.compute, q, k, v, kernel_rule, out);

    let mut rewritten = None;
    if let Some(built) = scores {
        let scores = pass.tap_attn(AttnPoint::Scores, built.clone());
        if !scores.is_same(&built) {
            let (new_pattern, new_lse) = softmax(&scores, rule, pass);
            lse = lse.map(|_| new_lse);
            rewritten = Some(new_pattern);
        }
    }
    if let Some(lse) = lse {
        pass.tap_attn(AttnPoint::Lse, lse);
    }
    if let Some(built) = pattern {
        let built = rewritten.clone().unwrap_or(built);
        let pattern = pass.tap_attn(AttnPoint::Pattern, built.clone());
        if !pattern.is_same(&built) {
            rewritten = Some(pattern);
        }
    }
    if let Some(pattern) = rewritten {
        kernels::mix(pass.compute, &pattern, heads, v, z.values_mut());
    }
    if let Some(block) = remembered {
        pass.remember(block);
    }
    tap_z(z, heads, pass)
}

/// Whether no query sees a key after its own.
pub(crate) fn is_causal(mask: Mask) -> bool {
    matches!(mask, Mask::Causal | Mask::CausalWindow(_))
}

/// Pattern and log-sum-exp of rewritten scores.
fn softmax(scores: &Tensor, rule: &AttentionRule, pass: &Pass<'_>) -> (Tensor, Tensor) {
    let shape = scores.shape();
    let (mut pattern, mut lse) = (Tensor::zeros(shape), Tensor::zeros([shape[0], shape[1]]));
    let (sink, lse_out) = (rule.sink.as_deref(), Some(lse.values_mut()));
    kernels::softmax_rows(pass.compute, scores, shape[0], shape[2], sink, pattern.values_mut(), lse_out);
    (pattern, lse)
}

/// Shows z by head, as it is named, and returns it by token, as the output projection takes it.
fn tap_z(z: Tensor, heads: usize, pass: &mut Pass<'_>) -> Tensor {
    if !pass.wants_attn(AttnPoint::Z) {
        return z;
    }
    let d_head = z.shape()[1] / heads;
    let built = by_head(Projection { from: &z, start: 0, n_heads: heads, d_head }.heads());
    let seen = pass.tap_attn(AttnPoint::Z, built.clone());
    if seen.is_same(&built) { z } else { by_token(&seen) }
}

/// Strided heads as one tensor, `[heads, tokens, d_head]`.
fn by_head(heads: Heads<'_>) -> Tensor {
    let Heads { n_heads, tokens, d_head, .. } = heads;
    let mut values = Vec::with_capacity(n_heads * tokens * d_head);
    for head in 0..n_heads {
        for token in 0..tokens {
            let at = head * heads.head_stride + token * heads.token_stride;
            values.extend_from_slice(&heads.data[at..at + d_head]);
        }
    }
    Tensor::new([n_heads, tokens, d_head], values)
}

/// `[heads, tokens, d_head]` as `[tokens, heads · d_head]`.
fn by_token(z: &Tensor) -> Tensor {
    let (heads, tokens, d_head) = (z.shape()[0], z.shape()[1], z.shape()[2]);
    let mut values = Vec::with_capacity(z.len());
    for token in 0..tokens {
        for head in 0..heads {
            values.extend_from_slice(z.row(head * tokens + token));
        }
    }
    Tensor::new([tokens, heads * d_head], values)
}
