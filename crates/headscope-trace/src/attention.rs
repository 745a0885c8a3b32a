//! The rule by which a layer attends, and a head's weights computed from it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Tensor;

/// Which keys a query may see; always one run of keys, so that what is masked is never computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// All of them.
    Full,
    /// Those up to its own position.
    Causal,
    /// Those at most this many tokens away, on both sides.
    Window(usize),
    /// The last so many up to its own position, itself included.
    CausalWindow(usize),
}

impl Mask {
    /// The keys that `query` may see, of `n_keys`.
    pub fn keys(self, query: usize, n_keys: usize) -> Range<usize> {
        let (start, end) = match self {
            Mask::Full => (0, n_keys),
            Mask::Causal => (0, query + 1),
            Mask::Window(reach) => {
                (query.saturating_sub(reach), query.saturating_add(reach).saturating_add(1))
            }
            Mask::CausalWindow(width) => ((query + 1).saturating_sub(width), query + 1),
        };
        start.min(n_keys)..end.min(n_keys)
    }
}

/// How a layer turns queries and keys into weights: `softmax(cap(scale · q·k))` over the keys
/// that the mask leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionRule {
    /// The factor on `q·k`, usually `1 / √d_head` (arXiv 1706.03762).
    pub scale: f32,
    /// Which keys each query may see; padding is told by the encoding.
    pub mask: Mask,
    /// `cap · tanh(score / cap)` where given (arXiv 2408.00118).
    pub soft_cap: Option<f32>,
    /// A learned score per query head that takes part in the softmax and then is dropped, so
    /// that rows sum to less than 1.
    pub sink: Option<Vec<f32>>,
    /// The number of heads that ask.
    pub query_heads: usize,
    /// The number of heads that are asked; each serves `query_heads / key_heads` of the former
    /// (arXiv 2305.13245).
    pub key_heads: usize,
}

impl AttentionRule {
    /// Every token sees every token, each head has its own keys, and nothing is capped.
    pub fn full(scale: f32, heads: usize) -> AttentionRule {
        AttentionRule {
            scale,
            mask: Mask::Full,
            soft_cap: None,
            sink: None,
            query_heads: heads,
            key_heads: heads,
        }
    }

    /// The key head that serves query head `head`.
    pub fn key_head(&self, head: usize) -> usize {
        head * self.key_heads / self.query_heads
    }

    /// What is wrong with a rule that was read from a file.
    pub(crate) fn fault(&self) -> Option<String> {
        let AttentionRule { query_heads, key_heads, .. } = *self;
        if query_heads == 0 || key_heads == 0 || query_heads % key_heads != 0 {
            return Some(format!("{query_heads} query heads over {key_heads} key heads"));
        }
        match &self.sink {
            Some(sink) if sink.len() != query_heads => {
                Some(format!("{} sinks for {query_heads} heads", sink.len()))
            }
            _ => None,
        }
    }
}

/// One head's queries and keys with the rule that joins them: every weight on demand.
pub struct Head<'a> {
    /// Queries, `[queries, d_head]`.
    pub q: Tensor,
    /// Keys, `[keys, d_head]`.
    pub k: Tensor,
    /// Log-sum-exp of each row of scores; computed when absent.
    pub lse: Option<Tensor>,
    /// The layer's rule.
    pub rule: &'a AttentionRule,
    /// The rule's sink for this head.
    pub sink: Option<f32>,
    /// Which keys may be attended to; all when absent.
    pub padding: Option<&'a [bool]>,
}

impl Head<'_> {
    /// The weights of `rows` on `cols`, `[rows, cols]`.
    ///
    /// # Panics
    /// If a range reaches past the queries or the keys.
    pub fn tile(&self, rows: Range<usize>, cols: Range<usize>) -> Tensor {
        let shape = [rows.len(), cols.len()];
        let mut weights = vec![0.0; shape[0] * shape[1]];
        for (query, out) in rows.zip(weights.chunks_exact_mut(shape[1].max(1))) {
            let lse = self.lse(query);
            for (key, weight) in self.visible(query, cols.clone()) {
                out[key - cols.start] = (weight - lse).exp();
            }
        }
        Tensor::new(shape, weights)
    }

    /// What softmax sees, −∞ where masked: `[queries, keys]`.
    pub fn scores(&self) -> Tensor {
        let (queries, keys) = (self.q.shape()[0], self.k.shape()[0]);
        let mut scores = vec![f32::NEG_INFINITY; queries * keys];
        for (query, out) in scores.chunks_exact_mut(keys.max(1)).enumerate() {
            for (key, score) in self.visible(query, 0..keys) {
                out[key] = score;
            }
        }
        Tensor::new([queries, keys], scores)
    }

    /// Log-sum-exp of the scores of `query`, the sink included.
    pub fn lse(&self, query: usize) -> f32 {
        if let Some(lse) = &self.lse {
            return lse[query];
        }
        let scores: Vec<f32> =
            self.visible(query, 0..self.k.shape()[0]).map(|(_, score)| score).chain(self.sink).collect();
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if max == f32::NEG_INFINITY {
            return f32::NEG_INFINITY; // nothing may be seen
        }
        let sum: f64 = scores.iter().map(|score| f64::from(score - max).exp()).sum();
        (f64::from(max) + sum.ln()) as f32
    }

    /// The keys in `cols` that `query` may see, with their scores.
    fn visible(&self, query: usize, cols: Range<usize>) -> impl Iterator<Item = (usize, f32)> {
        let keys = self.rule.mask.keys(query, self.k.shape()[0]);
        let keys = keys.start.max(cols.start)..keys.end.min(cols.end);
        let open = |key: &usize| self.padding.is_none_or(|mask| mask[*key]);
        keys.filter(open).map(move |key| (key, self.score(query, key)))
    }

    fn score(&self, query: usize, key: usize) -> f32 {
        let score = dot(self.q.row(query), self.k.row(key)) * self.rule.scale;
        self.rule.soft_cap.map_or(score, |cap| cap * (score / cap).tanh())
    }
}

/// Sixteen running sums, so that the compiler vectorises and errors stay small.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_runs_of_keys() {
        let rows = [
            (Mask::Full, 2, 0..5),
            (Mask::Causal, 2, 0..3),
            (Mask::Causal, 9, 0..5),
            (Mask::Window(1), 0, 0..2),
            (Mask::Window(1), 2, 1..4),
            (Mask::Window(usize::MAX), 2, 0..5),
            (Mask::CausalWindow(2), 0, 0..1),
            (Mask::CausalWindow(2), 3, 2..4),
            (Mask::CausalWindow(0), 3, 4..4),
        ];
        for (mask, query, keys) in rows {
            assert_eq!(mask.keys(query, 5), keys, "{mask:?} of query {query}");
        }
    }

    #[test]
    fn rules_read_and_write_as_json() {
        let mut rule = AttentionRule::full(0.25, 4);
        rule.mask = Mask::CausalWindow(4096);
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(
            json,
            r#"{"scale":0.25,"mask":{"causal_window":4096},"soft_cap":null,"sink":null,"query_heads":4,"key_heads":4}"#
        );
        assert_eq!(serde_json::from_str::<AttentionRule>(&json).unwrap(), rule);
    }

    /// A head of 5 tokens and 19 dimensions with every term in use.
    fn weights(lse: Option<Tensor>, mask: Mask) -> (Tensor, Vec<Vec<f64>>) {
        let wave = |phase: f32| (0..5 * 19).map(|i| (i as f32 * 0.7 + phase).sin() * 1.5).collect();
        let (q, k) = (Tensor::new([5, 19], wave(0.0)), Tensor::new([5, 19], wave(1.0)));
        let rule = AttentionRule { mask, soft_cap: Some(4.0), ..AttentionRule::full(0.3, 1) };
        let padding = [true, true, false, true, true];
        let head =
            Head { q: q.clone(), k: k.clone(), lse, rule: &rule, sink: Some(0.5), padding: Some(&padding) };
        let expected = (0..5).map(|i| {
            let score = |j: usize| {
                let dot: f64 =
                    q.row(i).iter().zip(k.row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                4.0 * (dot * 0.3 / 4.0).tanh()
            };
            let open = |j: &usize| mask.keys(i, 5).contains(j) && padding[*j];
            let sum: f64 = (0..5).filter(open).map(|j| score(j).exp()).sum::<f64>() + 0.5f64.exp();
            (0..5).map(|j| if open(&j) { score(j).exp() / sum } else { 0.0 }).collect()
        });
        (head.tile(0..5, 0..5), expected.collect())
    }

    #[test]
    fn tiles_agree_with_a_plain_softmax() {
        for mask in [Mask::Full, Mask::Causal, Mask::Window(1), Mask::CausalWindow(2)] {
            let (pattern, expected) = weights(None, mask);
            for (i, row) in expected.iter().enumerate() {
                for (j, weight) in row.iter().enumerate() {
                    let found = f64::from(pattern.row(i)[j]);
                    assert!((found - weight).abs() < 1e-6, "{mask:?} {i},{j}: {found} for {weight}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_sees_nothing_is_zero() {
        let rule = AttentionRule::full(1.0, 1);
        let (q, k) = (Tensor::zeros([1, 2]), Tensor::zeros([1, 2]));
        let head = Head { q, k, lse: None, rule: &rule, sink: None, padding: Some(&[false]) };
        assert_eq!(*head.tile(0..1, 0..1), [0.0]);
        assert_eq!(*head.scores(), [f32::NEG_INFINITY]);
    }
}
