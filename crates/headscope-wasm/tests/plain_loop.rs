//! Weights are those of the textbook's loop, whatever the sizes and the rule.

use headscope_wasm::{PANEL, Rule, dots, pack, softmax};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// A head, and what is seen of it.
#[derive(Debug, Clone)]
struct Head {
    width: usize,
    queries: Vec<f32>,
    keys: Vec<f32>,
    /// From where and to where each query sees.
    seen: Vec<(usize, usize)>,
    is_padding: Vec<bool>,
    rule: Rule,
    /// For each distance, from the first key and the last query on.
    distance: Option<Vec<f32>>,
}

fn heads() -> impl Strategy<Value = Head> {
    let sizes = (1..20_usize, 1..40_usize, 1..20_usize);
    sizes.prop_flat_map(|(queries, keys, width)| {
        let rule = (0.1..40.0_f64, of(0.5..50.0_f64), of(-5.0..5.0_f64))
            .prop_map(|(scale, cap, sink)| Rule { scale, cap, sink: sink.unwrap_or(f64::NEG_INFINITY) });
        (
            vec(-2.0..2.0_f32, queries * width),
            vec(-2.0..2.0_f32, keys * width),
            vec((0..=keys, 0..=keys), queries),
            vec(prop::bool::weighted(0.2), keys),
            rule,
            of(vec(-3.0..3.0_f32, queries + keys - 1)),
        )
            .prop_map(move |(queries, keys, seen, is_padding, rule, distance)| Head {
                width,
                queries,
                keys,
                seen,
                is_padding,
                rule,
                distance,
            })
    })
}

fn packed(vectors: &[f32], width: usize) -> Vec<[f64; PANEL]> {
    let count = vectors.len() / width;
    let mut panels = vec![[f64::NAN; PANEL]; count.div_ceil(PANEL) * width];
    pack(vectors, width, &mut panels);
    panels
}

fn weights(head: &Head) -> Vec<f32> {
    let (queries, keys) = (head.seen.len(), head.is_padding.len());
    let panels = keys.div_ceil(PANEL);
    let mut products = vec![[[f64::NAN; 2]; 2]; queries.next_multiple_of(PANEL) * panels];
    let pair = |&[a, b, c, d]: &[f64; PANEL]| [[a, b], [c, d]];
    let lanes: Vec<_> = packed(&head.keys, head.width).iter().map(pair).collect();
    dots(&packed(&head.queries, head.width), &lanes, head.width, &mut products);

    let is_open = |key: usize| head.is_padding.get(key) == Some(&false);
    let added = |key: usize| if is_open(key) { 0.0 } else { f64::NEG_INFINITY };
    let added: Vec<_> =
        (0..panels).map(|panel| pair(&std::array::from_fn(|lane| added(PANEL * panel + lane)))).collect();
    let mut all = Vec::new();
    for (query, scores) in products.chunks_exact_mut(panels).take(queries).enumerate() {
        let distance = head.distance.clone().map(|mut distance| {
            distance.resize(distance.len() + PANEL, 0.0); // for the last panel
            distance[queries - 1 - query..].as_chunks().0[..panels].to_vec()
        });
        let mut row = vec![[f32::NAN; PANEL]; panels];
        let (start, end) = head.seen[query];
        softmax(scores, start..end, head.rule, &added, &distance.unwrap_or_default(), &mut row);
        all.extend(&row.as_flattened()[..keys]);
    }
    all
}

fn textbook(head: &Head) -> Vec<f64> {
    let (queries, keys) = (head.seen.len(), head.is_padding.len());
    let score = |query: usize, key: usize| {
        let (start, end) = head.seen[query];
        if !(start..end).contains(&key) || head.is_padding[key] {
            return f64::NEG_INFINITY;
        }
        let vector = |all: &[f32], index: usize| all[index * head.width..][..head.width].to_vec();
        let (q, k) = (vector(&head.queries, query), vector(&head.keys, key));
        let product: f64 = q.iter().zip(k).map(|(&a, b)| f64::from(a) * f64::from(b)).sum();
        let scaled = product * head.rule.scale;
        let capped = head.rule.cap.map_or(scaled, |cap| cap * (scaled / cap).tanh());
        let distance = |distance: &Vec<f32>| f64::from(distance[key + queries - 1 - query]);
        capped + head.distance.as_ref().map_or(0.0, distance)
    };
    (0..queries)
        .flat_map(|query| {
            let scores: Vec<f64> = (0..keys).map(|key| score(query, key)).collect();
            let most = scores.iter().copied().fold(head.rule.sink, f64::max);
            let power = move |score: f64| if most == f64::NEG_INFINITY { 0.0 } else { (score - most).exp() };
            let sum = scores.iter().copied().map(power).sum::<f64>() + power(head.rule.sink);
            scores.into_iter().map(move |score| power(score) / if sum > 0.0 { sum } else { 1.0 })
        })
        .collect()
}

proptest! {
    #[test]
    fn weights_are_the_textbooks(head in heads()) {
        for (found, expected) in weights(&head).into_iter().zip(textbook(&head)) {
            prop_assert!((f64::from(found) - expected).abs() < 1e-7, "{found} is not {expected}");
        }
    }
}
