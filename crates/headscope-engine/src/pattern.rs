//! A head's weights from recorded queries and keys.

use std::ops::Range;

use headscope_trace::{Attn, AttnPoint, Position, Tensor, Trace};

use crate::kernels::{self, AttendRule, Attended, Compute, Heads};
use crate::nn::{Meeting, PositionTerm, is_causal};

/// All weights of a head, `[queries, keys]`: recorded, or computed from queries and keys by the
/// kernel of a pass, to the bit what a pass with the same instructions records.
///
/// [`Trace::pattern`] gives the same to within rounding and needs no engine, but sums in plain f64
/// loops on one thread. `None` if neither pattern nor queries and keys were recorded, or there is no
/// such head.
pub fn pattern(compute: &Compute, trace: &Trace, attn: Attn, head: usize) -> Option<Tensor> {
    let rule = trace.rule(attn).filter(|rule| head < rule.query_heads)?;
    if let Some(pattern) = trace.get(attn.site(AttnPoint::Pattern)) {
        return Some(pattern.index(head));
    }
    let q = trace.get(attn.site(AttnPoint::Q))?.index(head);
    let k = trace.get(attn.site(AttnPoint::K))?.index(rule.key_head(head));
    let (queries, keys) = (q.shape()[0], k.shape()[0]);
    let sink = rule.sink.as_ref().map(|sink| &sink[head..=head]);
    let padding = trace.padding(attn);
    let may_see = |query| rule.mask.keys(query, keys);
    let vectors = |point| Some(trace.get(attn.site(point))?.index(head));
    let position = match &rule.position {
        None => None,
        Some(Position::Disentangled(term)) => {
            let pos_q = if term.keys_meet { Some(vectors(AttnPoint::PosQ)?) } else { None };
            let pos_k = if term.queries_meet { Some(vectors(AttnPoint::PosK)?) } else { None };
            let [pos_q, pos_k] = [&pos_q, &pos_k].map(|vectors| vectors.as_ref().map(one_head));
            let meeting = Meeting { q: one_head(&q), k: one_head(&k), pos_q, pos_k };
            Some(PositionTerm::disentangled(compute, term, rule.scale as f32, meeting))
        }
        Some(by_distance) => Some(PositionTerm::new(by_distance, head..head + 1, 0..queries, keys)?),
    };
    let add_position = position.as_ref().map(|term| {
        move |head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]| {
            term.add(head, query, keys, scores);
        }
    });
    let rule = AttendRule {
        scale: rule.scale as f32,
        keys: &may_see,
        causal: is_causal(rule.mask),
        padding: padding.as_deref(),
        soft_cap: rule.soft_cap,
        bias: add_position.as_ref().map(|add| add as _),
        sink,
    };
    let mut weights = kernels::zeros(queries * keys);
    let out = Attended { pattern: Some(&mut weights), ..Attended::default() };
    kernels::attend(compute, one_head(&q), one_head(&k), one_head(&k), rule, out);
    Some(Tensor::new([queries, keys], weights))
}

/// `[tokens, d_head]` of one head.
fn one_head(x: &Tensor) -> Heads<'_> {
    let (tokens, d_head) = (x.shape()[0], x.shape()[1]);
    Heads { data: x, n_heads: 1, tokens, d_head, head_stride: 0, token_stride: d_head }
}
