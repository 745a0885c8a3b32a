//! The rule by which a layer attends, and a head's weights computed from it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Position, PositionTerm, Tensor};

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

/// How a layer turns queries and keys into weights: `softmax(cap(scale · q·k) + position)` over the
/// keys that the mask leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionRule {
    /// The factor on `q·k`, usually `1 / √d_head` (arXiv 1706.03762).
    pub scale: f64,
    /// Which keys each query may see; padding is told by the encoding.
    pub mask: Mask,
    /// `cap · tanh(score / cap)` where given (arXiv 2408.00118).
    pub soft_cap: Option<f32>,
    /// What the distance of two tokens adds to their score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
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
    pub fn full(scale: f64, heads: usize) -> AttentionRule {
        AttentionRule {
            scale,
            mask: Mask::Full,
            soft_cap: None,
            position: None,
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
            _ => self.position.as_ref()?.fault(query_heads),
        }
    }
}

/// One head's queries and keys with the rule that joins them: every weight on demand.
///
/// Scores are summed in f64. Heads with scores in the hundreds exist, and an f32 sum of those is
/// off by more than the weights can bear.
pub struct Head<'a> {
    /// Queries, `[queries, d_head]`.
    pub q: Tensor,
    /// Keys, `[keys, d_head]`.
    pub k: Tensor,
    /// Log-sum-exp of each row of scores. It saves the sum over the rest of a row when a tile shows
    /// only some of it; as an f32 it is good to 1 part in 10⁷ of its size.
    pub lse: Option<Tensor>,
    /// The layer's rule.
    pub rule: &'a AttentionRule,
    /// The rule's sink for this head.
    pub sink: Option<f32>,
    /// The rule's term of position.
    pub position: Option<PositionTerm>,
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
        let mut scores = Vec::new();
        for (query, out) in rows.zip(weights.chunks_exact_mut(shape[1].max(1))) {
            let seen = self.rule.mask.keys(query, self.k.shape()[0]);
            let shown = seen.start.max(cols.start)..seen.end.min(cols.end);
            let lse = match &self.lse {
                Some(lse) if shown != seen => {
                    self.score_row(query, shown.clone(), &mut scores);
                    f64::from(lse[query])
                }
                _ => {
                    self.score_row(query, seen.clone(), &mut scores);
                    let lse = self.log_sum_exp(&scores);
                    scores.drain(..shown.start.saturating_sub(seen.start).min(scores.len()));
                    lse
                }
            };
            for (key, score) in shown.zip(&scores) {
                let weight = if *score == f64::NEG_INFINITY { 0.0 } else { (score - lse).exp() };
                out[key - cols.start] = weight as f32;
            }
        }
        Tensor::new(shape, weights)
    }

    /// What softmax sees, −∞ where masked: `[queries, keys]`.
    pub fn scores(&self) -> Tensor {
        let (queries, keys) = (self.q.shape()[0], self.k.shape()[0]);
        let mut all = vec![f32::NEG_INFINITY; queries * keys];
        let mut scores = Vec::new();
        for (query, out) in all.chunks_exact_mut(keys.max(1)).enumerate() {
            let seen = self.rule.mask.keys(query, keys);
            self.score_row(query, seen.clone(), &mut scores);
            out[seen].iter_mut().zip(&scores).for_each(|(out, score)| *out = *score as f32);
        }
        Tensor::new([queries, keys], all)
    }

    /// Log-sum-exp of a row of scores, the sink included; −∞ if there is nothing to see.
    fn log_sum_exp(&self, scores: &[f64]) -> f64 {
        let sink = self.sink.map_or(f64::NEG_INFINITY, f64::from);
        let max = scores.iter().copied().fold(sink, f64::max);
        if max == f64::NEG_INFINITY {
            return max;
        }
        let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
        max + (sum + (sink - max).exp()).ln()
    }

    /// The scores of `query` for `keys`, which the mask leaves open; −∞ for padding.
    fn score_row(&self, query: usize, keys: Range<usize>, scores: &mut Vec<f64>) {
        let q = self.q.row(query);
        let score = |key: usize| {
            if self.padding.is_some_and(|open| !open[key]) {
                return f64::NEG_INFINITY;
            }
            let score = (dot(q, self.k.row(key)) + self.met(query, key)) * self.rule.scale;
            let score = self.rule.soft_cap.map(f64::from).map_or(score, |cap| cap * (score / cap).tanh());
            match &self.position {
                Some(PositionTerm::ByDistance(term)) => score + f64::from(term[self.distance(query, key)]),
                _ => score,
            }
        };
        scores.clear();
        scores.extend(keys.map(score));
    }

    /// The place of `key − query` among all distances.
    fn distance(&self, query: usize, key: usize) -> usize {
        key + self.q.shape()[0] - 1 - query
    }

    /// The products with vectors of the distance.
    fn met(&self, query: usize, key: usize) -> f64 {
        let Some(PositionTerm::Disentangled { places, pos_k, pos_q }) = &self.position else { return 0.0 };
        let place = places[self.distance(query, key)];
        let product =
            |met: &Option<Tensor>, row: &[f32]| met.as_ref().map_or(0.0, |met| dot(row, met.row(place)));
        product(pos_k, self.q.row(query)) + product(pos_q, self.k.row(key))
    }
}

/// In eight running sums, which the compiler vectorises. Products of f32 are exact in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0f64; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks.remainder().iter().zip(b_blocks.remainder());
    let rest: f64 = rest.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(x[lane]) * f64::from(y[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
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
    fn weights(mask: Mask, slope: Option<f32>) -> (Tensor, Vec<Vec<f64>>) {
        let wave = |phase: f32| (0..5 * 19).map(|i| (i as f32 * 0.7 + phase).sin() * 1.5).collect();
        let (q, k) = (Tensor::new([5, 19], wave(0.0)), Tensor::new([5, 19], wave(1.0)));
        let rule = AttentionRule { mask, soft_cap: Some(4.0), ..AttentionRule::full(0.3, 1) };
        let position = slope.map(|slope| Position::Alibi { slopes: vec![slope] });
        let padding = [true, true, false, true, true];
        let mut scores = Vec::new();
        let head = Head {
            q: q.clone(),
            k: k.clone(),
            lse: None,
            rule: &rule,
            sink: Some(0.5),
            position: position
                .as_ref()
                .and_then(|position| position.by_distance(0, 5, 5))
                .map(PositionTerm::ByDistance),
            padding: Some(&padding),
        };
        let expected = (0..5).map(|i| {
            let score = |j: usize| {
                let dot: f64 =
                    q.row(i).iter().zip(k.row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let capped = 4.0 * (dot * 0.3f64 / 4.0).tanh();
                capped + slope.map_or(0.0, |slope| f64::from(slope) * (j as f64 - i as f64))
            };
            let open = |j: &usize| mask.keys(i, 5).contains(j) && padding[*j];
            let sum: f64 = (0..5).filter(open).map(|j| score(j).exp()).sum::<f64>() + 0.5f64.exp();
            (0..5).map(|j| if open(&j) { score(j).exp() / sum } else { 0.0 }).collect()
        });
        let whole = head.tile(0..5, 0..5);

        // Any tile is a part of the whole, with and without a recorded log-sum-exp.
        let lse = (0..5).map(|i| {
            head.score_row(i, mask.keys(i, 5), &mut scores);
            head.log_sum_exp(&scores) as f32
        });
        let lse = Tensor::new([5], lse.collect());
        let head = Head { lse: Some(lse), ..head };
        for (rows, cols) in [(0..5, 0..5), (1..4, 2..5), (4..5, 0..1), (0..5, 3..3), (2..2, 0..5)] {
            let tile = head.tile(rows.clone(), cols.clone());
            assert_eq!(tile.shape(), [rows.len(), cols.len()]);
            for (i, row) in rows.enumerate() {
                for (j, col) in cols.clone().enumerate() {
                    assert!((tile.row(i)[j] - whole.row(row)[col]).abs() < 3e-7);
                }
            }
        }
        (whole, expected.collect())
    }

    #[test]
    fn tiles_agree_with_a_plain_softmax() {
        let masks = [Mask::Full, Mask::Causal, Mask::Window(1), Mask::CausalWindow(2)];
        for (mask, slope) in masks.into_iter().flat_map(|mask| [(mask, None), (mask, Some(0.7))]) {
            let (pattern, expected) = weights(mask, slope);
            for (i, row) in expected.iter().enumerate() {
                for (j, weight) in row.iter().enumerate() {
                    let found = f64::from(pattern.row(i)[j]);
                    assert!((found - weight).abs() < 1e-7, "{mask:?} {i},{j}: {found} for {weight}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_sees_nothing_is_zero() {
        let rule = AttentionRule::full(1.0, 1);
        let (q, k) = (Tensor::zeros([1, 2]), Tensor::zeros([1, 2]));
        let head = Head { q, k, lse: None, rule: &rule, sink: None, position: None, padding: Some(&[false]) };
        assert_eq!(*head.tile(0..1, 0..1), [0.0]);
        assert_eq!(*head.scores(), [f32::NEG_INFINITY]);
    }
}
