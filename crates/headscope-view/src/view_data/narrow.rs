//! Queries and keys in a byte a number, for pages of long texts.
//!
//! A number is `(byte − 128) · step · dim + mean`: the mean over the tokens is taken out of each dimension,
//! what is left is divided by the dimension's largest, and each token's vector has a step of its own. A few
//! dimensions that are large for every token would otherwise cost all the others their digits.

use headscope_trace::{AttentionRule, Section, Tensor, Values};

/// Vectors of `[heads, tokens, d_head]` with a byte a number.
pub(crate) struct Narrow {
    shape: [usize; 3],
    bytes: Vec<u8>,
    steps: Vec<f32>, // [heads, tokens]
    dims: Vec<f32>,  // [heads, d_head]
    means: Vec<f32>, // [heads, d_head]
}

impl Narrow {
    pub(crate) fn new(wide: &Tensor) -> Narrow {
        let shape @ [heads, tokens, d_head] = [wide.shape()[0], wide.shape()[1], wide.shape()[2]];
        let mut narrow = Narrow {
            shape,
            bytes: Vec::with_capacity(wide.len()),
            steps: Vec::with_capacity(heads * tokens),
            dims: Vec::with_capacity(heads * d_head),
            means: Vec::with_capacity(heads * d_head),
        };
        for head in 0..heads {
            narrow.add(&wide.index(head));
        }
        narrow
    }

    fn add(&mut self, head: &Tensor) {
        let (tokens, d_head) = (head.shape()[0], head.shape()[1]);
        let row = |token| head.row(token).iter().copied();
        let mut sums = vec![0.0f64; d_head];
        for token in 0..tokens {
            sums.iter_mut().zip(row(token)).for_each(|(sum, value)| *sum += f64::from(value));
        }
        let means: Vec<f32> = sums.iter().map(|sum| (sum / tokens as f64) as f32).collect();
        let mut dims = vec![0.0f32; d_head];
        for token in 0..tokens {
            for ((dim, value), mean) in dims.iter_mut().zip(row(token)).zip(&means) {
                *dim = dim.max((value - mean).abs());
            }
        }
        for dim in &mut dims {
            if *dim == 0.0 {
                *dim = 1.0; // every token has the mean
            }
        }
        for token in 0..tokens {
            let rest = || row(token).zip(&means).zip(&dims).map(|((value, mean), dim)| (value - mean) / dim);
            let step = rest().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
            let count = |value: f32| if step > 0.0 { (value / step).round() } else { 0.0 };
            self.bytes.extend(rest().map(|value| (count(value) + 128.0) as u8));
            self.steps.push(step);
        }
        self.dims.extend(dims);
        self.means.extend(means);
    }

    /// One head's vectors, `[tokens, d_head]`, as a page reads them.
    fn head(&self, head: usize) -> Vec<f32> {
        let [_, tokens, d_head] = self.shape;
        let bytes = self.bytes.chunks_exact(d_head).zip(&self.steps).skip(head * tokens).take(tokens);
        let of = |all: &[f32]| all[head * d_head..(head + 1) * d_head].to_vec();
        let (dims, means) = (of(&self.dims), of(&self.means));
        bytes
            .flat_map(|(row, step)| {
                row.iter()
                    .zip(dims.iter().zip(&means))
                    .map(move |(byte, (dim, mean))| (f32::from(*byte) - 128.0) * step * dim + mean)
            })
            .collect()
    }

    /// What a page carries in the place of the tensor of this name.
    pub(crate) fn sections(&self, name: &str) -> [Section<'_>; 4] {
        let [heads, tokens, d_head] = self.shape;
        let section = |part: &str, shape, values| Section { name: format!("{name}.{part}"), shape, values };
        [
            section("steps", vec![heads, tokens], Values::F32(&self.steps)),
            section("dims", vec![heads, d_head], Values::F32(&self.dims)),
            section("means", vec![heads, d_head], Values::F32(&self.means)),
            section("bytes", vec![heads, tokens, d_head], Values::U8(&self.bytes)),
        ]
    }
}

/// Rows of each head in which the loss is measured.
const ROWS: usize = 24;

/// The largest difference of a weight that comes of narrow queries and keys, over some rows of each head.
/// What else a score has (position, sink) is the same on both sides, and is left out.
pub(crate) fn loss(rule: &AttentionRule, wide: [&Tensor; 2], narrow: [&Narrow; 2]) -> f64 {
    let [q, k] = wide;
    let (queries, keys) = (q.shape()[1], k.shape()[1]);
    let mut most = 0.0f64;
    for head in 0..rule.query_heads {
        let key_head = rule.key_head(head);
        let exact = (q.index(head), k.index(key_head));
        let (near_q, near_k) = (narrow[0].head(head), narrow[1].head(key_head));
        for row in 0..ROWS.min(queries) {
            let query = row * (queries - 1) / (ROWS.min(queries) - 1).max(1);
            let seen = rule.mask.keys(query, keys);
            let width = exact.0.shape()[1];
            let here = softmax(rule, exact.0.row(query), seen.clone().map(|key| exact.1.row(key)));
            let there = softmax(
                rule,
                &near_q[query * width..(query + 1) * width],
                seen.map(|key| &near_k[key * width..(key + 1) * width]),
            );
            for (a, b) in here.iter().zip(&there) {
                most = most.max((a - b).abs());
            }
        }
    }
    most
}

fn softmax<'a>(rule: &AttentionRule, q: &[f32], keys: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    let score = |k: &[f32]| {
        let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
        let scaled = dot * rule.scale;
        rule.soft_cap.map_or(scaled, |cap| f64::from(cap) * (scaled / f64::from(cap)).tanh())
    };
    let scores: Vec<f64> = keys.map(score).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors with an offset and a dimension that is large for every token, as trained models have them.
    fn wide(heads: usize, tokens: usize, d_head: usize, seed: f32) -> Tensor {
        let value = |i: usize| {
            let (token, dim) = (i / d_head, i % d_head);
            let noise = ((i as f32 * 12.9898 + seed).sin() * 43758.547).fract();
            let large = if dim == 1 { 30.0 } else { 1.0 };
            (noise + 0.1 * (token % 7) as f32) * large + dim as f32
        };
        Tensor::new([heads, tokens, d_head], (0..heads * tokens * d_head).map(value).collect())
    }

    #[test]
    fn a_byte_a_number_is_near() {
        let q = wide(2, 37, 5, 0.3);
        let narrow = Narrow::new(&q);
        for head in 0..2 {
            let near = narrow.head(head);
            let exact = q.index(head);
            for (i, near) in near.iter().enumerate() {
                let step = narrow.steps[head * 37 + i / 5] * narrow.dims[head * 5 + i % 5];
                let exact = exact.row(i / 5)[i % 5];
                assert!((near - exact).abs() <= 0.51 * step + 1e-5, "{near} for {exact}, step {step}");
            }
        }
    }

    #[test]
    fn vectors_without_spread_are_exact() {
        let same = Tensor::new([1, 3, 2], vec![0.5, -2.0, 0.5, -2.0, 0.5, -2.0]);
        assert_eq!(Narrow::new(&same).head(0), [0.5, -2.0, 0.5, -2.0, 0.5, -2.0]);
    }

    #[test]
    fn the_loss_is_measured() {
        let rule = AttentionRule::full(0.3, 2);
        let (q, k) = (wide(2, 40, 8, 0.1), wide(2, 40, 8, 0.7));
        let (near_q, near_k) = (Narrow::new(&q), Narrow::new(&k));
        let found = loss(&rule, [&q, &k], [&near_q, &near_k]);
        assert!(found > 0.0 && found < 0.05, "{found}");
        let coarse = Narrow { steps: near_q.steps.iter().map(|step| step * 1.2).collect(), ..near_q };
        assert!(loss(&rule, [&q, &k], [&coarse, &near_k]) > 2.0 * found);
    }
}
