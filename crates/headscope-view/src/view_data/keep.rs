//! What of a trace a view keeps: per block what tells its patterns, and what its scores are made of.

use std::collections::{BTreeMap, BTreeSet};

use headscope_trace::{AttentionRule, Attn, AttnPoint, Position, Site, Tensor, Trace};
use rayon::prelude::*;

/// What scores are made of, in the order in which a page does without it when it grows too large.
pub(super) const VECTORS: [&[AttnPoint]; 2] =
    [&[AttnPoint::Q, AttnPoint::K, AttnPoint::PosQ, AttnPoint::PosK], &[AttnPoint::QPre, AttnPoint::KPre]];

/// Whether patterns take more than queries, keys and what their distance adds, which is all that a page
/// computes them from.
pub(super) fn is_beyond_a_page(rule: &AttentionRule) -> bool {
    matches!(rule.position, Some(Position::Disentangled(_)))
}

/// Records the patterns of blocks that a page would draw without their term of position.
pub(super) fn spell_out(trace: &mut Trace, blocks: &[Attn]) {
    for &attn in
        blocks.iter().filter(|attn| trace.get(attn.site(AttnPoint::Pattern)).is_none()).collect::<Vec<_>>()
    {
        let Some(rule) = trace.rule(attn).filter(|rule| is_beyond_a_page(rule)) else { continue };
        let heads: Vec<Tensor> =
            (0..rule.query_heads).into_par_iter().filter_map(|head| trace.pattern(attn, head)).collect();
        let Some(first) = heads.first() else { continue };
        let shape = [&[heads.len()], first.shape()].concat();
        let pattern = Tensor::new(shape, heads.iter().flat_map(|head| head.iter().copied()).collect());
        trace.insert(attn.site(AttnPoint::Pattern), pattern);
    }
}

/// Forgets what no view reads, and takes out what tells no pattern but is what scores are made of.
pub(super) fn slim(trace: &mut Trace, blocks: &[Attn]) -> BTreeMap<Site, Tensor> {
    let kept: BTreeSet<Site> = blocks.iter().flat_map(|attn| told_by(trace, *attn)).collect();
    let others: Vec<Site> =
        trace.values().map(|(site, _)| site).filter(|site| !kept.contains(site)).collect();
    let shown = |(attn, point): &(Attn, AttnPoint)| {
        blocks.contains(attn) && VECTORS.iter().any(|points| points.contains(point))
    };
    let vector = |site: &Site| {
        let (attn, point) = site.attn().filter(shown)?;
        let value = trace.get(*site)?;
        let is_met = matches!(point, AttnPoint::PosQ | AttnPoint::PosK);
        Some((*site, if is_met { by_distance(trace, attn, value)? } else { value.clone() }))
    };
    let vectors = others.iter().filter_map(vector).collect();
    for site in others {
        trace.remove(site);
    }
    vectors
}

/// Of a table of vectors that queries or keys meet those of the text's own distances, in order; none if it was
/// recorded without what it meets.
fn by_distance(trace: &Trace, attn: Attn, table: &Tensor) -> Option<Tensor> {
    let Some(Position::Disentangled(term)) = &trace.rule(attn)?.position else { return None };
    let q = trace.get(attn.site(AttnPoint::Q))?;
    let (heads, all, d_head) = (table.shape()[0], table.shape()[1], table.shape()[2]);
    if q.shape()[2] != d_head {
        return None; // a damaged file's; it could be many times as large as all that was read
    }
    let [queries, keys] = [attn.stack, attn.key_stack()].map(|stack| trace.encoding_of(stack).len());
    let places = term.places(queries, keys);
    let rows = (0..heads).flat_map(|head| places.iter().map(move |place| head * all + place));
    let values = rows.flat_map(|row| table.row(row)).copied().collect();
    Some(Tensor::new([heads, places.len(), d_head], values))
}

/// The sites that tell a block's patterns in the fewest numbers.
fn told_by(trace: &Trace, attn: Attn) -> Vec<Site> {
    let [q, k, pattern] = [AttnPoint::Q, AttnPoint::K, AttnPoint::Pattern].map(|point| attn.site(point));
    let len = |site| trace.get(site).map(|value| value.len());
    if trace.rule(attn).is_some_and(is_beyond_a_page) {
        return vec![pattern];
    }
    match (len(pattern), len(q), len(k)) {
        (None, ..) => vec![q, k],
        (Some(pattern_len), Some(q_len), Some(k_len)) if q_len + k_len < pattern_len => vec![q, k],
        _ => vec![pattern],
    }
}
