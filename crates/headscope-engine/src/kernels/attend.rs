//! Attention of every head.
use super::Compute;
use super::share::for_each_part;
use std::ops::Range;

/// Heads in a buffer: element `(h, t, d)` is `data[h * head_stride + t * token_stride + d]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// The buffer; it may hold other things in between.
    pub data: &'a [f32],
    /// Heads.
    pub n_heads: usize,
    /// Tokens of each head.
    pub tokens: usize,
    /// Width of a head.
    pub d_head: usize,
    /// From a head to the next.
    pub head_stride: usize,
    /// From a token to the next.
    pub token_stride: usize,
}

impl<'a> Heads<'a> {
    fn row(&self, head: usize, token: usize) -> &'a [f32] {
        &self.data[head * self.head_stride + token * self.token_stride..][..self.d_head]
    }
}

/// How scores come from queries and keys.
#[derive(Clone, Copy)]
pub struct AttendRule<'a> {
    /// Factor of every product.
    pub scale: f32,
    /// The keys that a query may see.
    pub keys: &'a (dyn Fn(usize) -> Range<usize> + Sync),
    /// Per key, whether it may be seen at all.
    pub padding: Option<&'a [bool]>,
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Per query head, a logit that takes weight and gives no value.
    pub sink: Option<&'a [f32]>,
}

/// Where results go; what is `None` is not materialised.
#[derive(Default)]
pub struct Attended<'a> {
    /// `[queries, heads * d_head]`.
    pub z: Option<&'a mut [f32]>,
    /// `[heads, queries]`.
    pub lse: Option<&'a mut [f32]>,
    /// `[heads, queries, keys]`, -inf where masked.
    pub scores: Option<&'a mut [f32]>,
    /// `[heads, queries, keys]`.
    pub pattern: Option<&'a mut [f32]>,
}

/// `softmax(rule(q kᵀ)) v` of every head.
pub fn attend(compute: &Compute, q: Heads, k: Heads, v: Heads, rule: AttendRule, out: Attended) {
    let (n, m) = (q.tokens, k.tokens);
    let mut scores = vec![0.0; q.n_heads * n * m];
    for_each_part(compute, &mut scores, m, |row, out| {
        let (h, i) = (row / n, row % n);
        let seen = (rule.keys)(i);
        for (j, out) in out.iter_mut().enumerate() {
            let masked = !seen.contains(&j) || rule.padding.is_some_and(|p| !p[j]);
            let dot: f32 =
                q.row(h, i).iter().zip(k.row(h * k.n_heads / q.n_heads, j)).map(|(a, b)| a * b).sum();
            let s = dot * rule.scale;
            let s = rule.soft_cap.map_or(s, |c| c * (s / c).tanh());
            *out = if masked { f32::NEG_INFINITY } else { s };
        }
    });
    if let Some(out) = out.scores {
        out.copy_from_slice(&scores);
    }
    let mut pattern = vec![0.0; scores.len()];
    softmax_rows(compute, &scores, q.n_heads, m, rule.sink, &mut pattern, out.lse);
    if let Some(z) = out.z {
        mix(compute, &pattern, q.n_heads, v, z);
    }
    if let Some(out) = out.pattern {
        out.copy_from_slice(&pattern);
    }
}

/// Softmax of each row of `scores` `[heads, queries, keys]` into `pattern`, and
/// the log-sum-exp of each row into `lse` `[heads, queries]`.
///
/// A row that is -inf throughout becomes zeros, with an lse of -inf.
pub fn softmax_rows(
    _compute: &Compute,
    scores: &[f32],
    n_heads: usize,
    keys: usize,
    sink: Option<&[f32]>,
    pattern: &mut [f32],
    mut lse: Option<&mut [f32]>,
) {
    let rows = scores.len() / keys;
    for row in 0..rows {
        let s = &scores[row * keys..][..keys];
        let sink = sink.map_or(f32::NEG_INFINITY, |sink| sink[row / (rows / n_heads)]);
        let max = f64::from(s.iter().copied().fold(sink, f32::max));
        let out = &mut pattern[row * keys..][..keys];
        if max == f64::NEG_INFINITY {
            out.fill(0.0);
            if let Some(lse) = &mut lse {
                lse[row] = f32::NEG_INFINITY;
            }
            continue;
        }
        let sum = s.iter().map(|&s| (f64::from(s) - max).exp()).sum::<f64>() + (f64::from(sink) - max).exp();
        out.iter_mut().zip(s).for_each(|(o, &s)| *o = ((f64::from(s) - max).exp() / sum) as f32);
        if let Some(lse) = &mut lse {
            lse[row] = (max + sum.ln()) as f32;
        }
    }
}

/// `z[i, h, d] = Σ_j pattern[h, i, j] v[h, j, d]`: pattern `[heads, queries, keys]`, z `[queries, heads * d_head]`.
pub fn mix(compute: &Compute, pattern: &[f32], n_heads: usize, v: Heads, z: &mut [f32]) {
    let keys = v.tokens;
    let queries = pattern.len() / keys / n_heads;
    for_each_part(compute, z, v.d_head, |part, z| {
        let (i, h) = (part / n_heads, part % n_heads);
        let p = &pattern[(h * queries + i) * keys..][..keys];
        z.fill(0.0);
        for (j, &p) in p.iter().enumerate() {
            let v = v.row(h * v.n_heads / n_heads, j);
            z.iter_mut().zip(v).for_each(|(z, &v)| *z += p * v);
        }
    });
}
