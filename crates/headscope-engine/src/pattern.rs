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
    pattern_in_bands(compute, trace, attn, head, usize::MAX, &mut |_| {})
}

/// [`pattern`], computed a band of at most so many rows at a time, each of which `ready` is shown at once: what is done
/// with the first need not wait for the last. A recorded one is a single band.
pub fn pattern_in_bands(
    compute: &Compute,
    trace: &Trace,
    attn: Attn,
    head: usize,
    rows: usize,
    ready: &mut dyn FnMut(&[f32]),
) -> Option<Tensor> {
    let rule = trace.rule(attn).filter(|rule| head < rule.query_heads)?;
    if let Some(pattern) = trace.get(attn.site(AttnPoint::Pattern)) {
        let pattern = pattern.index(head);
        ready(&pattern);
        return Some(pattern);
    }
    let q = trace.get(attn.site(AttnPoint::Q))?.index(head);
    let k = trace.get(attn.site(AttnPoint::K))?.index(rule.key_head(head));
    let (queries, keys) = (q.shape()[0], k.shape()[0]);
    let sink = rule.sink.as_ref().map(|sink| &sink[head..=head]);
    let padding = trace.padding(attn);
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
    let mut weights = kernels::zeros(queries * keys);
    for first in (0..queries).step_by(rows) {
        let last = queries.min(first.saturating_add(rows));
        let band = &mut weights[first * keys..last * keys];
        let may_see = |query: usize| rule.mask.keys(first + query, keys);
        let add_position = position.as_ref().map(|term| {
            move |head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]| {
                term.add(head, first + query, keys, scores);
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
        let out = Attended { pattern: Some(band), ..Attended::default() };
        kernels::attend(compute, some_tokens(&q, first..last), one_head(&k), one_head(&k), rule, out);
        ready(&weights[first * keys..last * keys]);
    }
    Some(Tensor::new([queries, keys], weights))
}

/// `[tokens, d_head]` of one head.
fn one_head(x: &Tensor) -> Heads<'_> {
    some_tokens(x, 0..x.shape()[0])
}

/// The same, of some of its tokens.
fn some_tokens(x: &Tensor, tokens: Range<usize>) -> Heads<'_> {
    let d_head = x.shape()[1];
    let data = &x[tokens.start * d_head..tokens.end * d_head];
    Heads { data, n_heads: 1, tokens: tokens.len(), d_head, head_stride: 0, token_stride: d_head }
}
