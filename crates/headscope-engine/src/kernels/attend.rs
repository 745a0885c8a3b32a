//! Attention of every head: `softmax(rule(q kᵀ)) v`, a block of queries at a time.
//!
//! First each key head is packed as a weight matrix is: keys in panels of 48
//! columns, values as rows of a panel. Then a task takes one head and a block of
//! queries: scores against the panels that any of them may see, softmax on rows
//! that still lie in the second-level cache, and the product with the values.
//! Weights go straight into the recorded pattern when one is wanted; otherwise
//! nothing of the size queries x keys exists at any time.
//!
//! # Centred keys
//!
//! Softmax does not change when all scores of a row move by the same amount, and
//! in trained models they do lie far off together: those of gte-small's last layer
//! are around 180, give or take 20, and an f32 near 180 is only good to 8e-6. That
//! rounding is most of what PyTorch's patterns are off by. So keys are packed less
//! a vector `c` near their mean: `q·(k - c)` is small, and so is its rounding error.
//! What was taken off, `q·c`, is added up in f64 and put back where true scores are
//! asked for: recorded scores, log-sum-exps, soft caps and sinks.

use super::Compute;
use super::buffer::with_scratch;
use super::math::{exp_of_sum, load, map, store, tanh};
use super::share::{Shared, for_each_part};
use super::simd::{Kernel, Simd};
use super::tile::{GROUP, Numbers, PANEL, Product, turn};
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
    /// The keys that a query may see, one range for each query; what lies
    /// outside is not computed. Full, causal and windowed masks are all ranges.
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
    /// `[queries, heads * d_head]`, as the output projection reads it.
    pub z: Option<&'a mut [f32]>,
    /// `[heads, queries]`: log-sum-exp of the scores of a row, the sink among them,
    /// so that a weight is `exp(score - lse)`. A row that sees no key has -inf.
    pub lse: Option<&'a mut [f32]>,
    /// `[heads, queries, keys]`: what softmax sees, -inf where masked.
    pub scores: Option<&'a mut [f32]>,
    /// `[heads, queries, keys]`: the weights, zero where masked. A row that
    /// sees no key is zero throughout.
    pub pattern: Option<&'a mut [f32]>,
}

/// `softmax(rule(q kᵀ)) v` of every head.
///
/// Key heads may be fewer than query heads, which then share them in order:
/// query head `h` attends to key head `h * key_heads / query_heads`.
///
/// # Panics
/// When shapes do not fit together: q and k of different `d_head`, k and v of
/// different heads or tokens, or a result of another size.
pub fn attend(compute: &Compute, q: Heads, k: Heads, v: Heads, rule: AttendRule, out: Attended) {
    let (heads, queries, keys) = (q.n_heads, q.tokens, k.tokens);
    assert_eq!(q.d_head, k.d_head, "width of queries and keys");
    assert_eq!((k.n_heads, keys), (v.n_heads, v.tokens), "heads and tokens of keys and values");
    let wanted = |out: &Option<&mut [f32]>, len: usize, name: &str| {
        assert!(out.as_ref().is_none_or(|out| out.len() == len), "{name} has {len} numbers");
    };
    wanted(&out.z, queries * heads * v.d_head, "z [queries, heads * d_head]");
    wanted(&out.lse, heads * queries, "lse [heads, queries]");
    wanted(&out.scores, heads * queries * keys, "scores [heads, queries, keys]");
    wanted(&out.pattern, heads * queries * keys, "pattern [heads, queries, keys]");
    assert!(rule.padding.is_none_or(|padding| padding.len() == keys), "padding [keys]");
    assert!(rule.sink.is_none_or(|sink| sink.len() == heads), "sink [heads]");
    if heads == 0 || queries == 0 {
        return;
    }
    let keys_len = packed_keys_len(&k);
    let values_len = if out.z.is_some() { packed_values_len(&v) } else { 0 };
    with_scratch(k.n_heads * (keys_len + values_len), |packed| {
        let (packed_keys, packed_values) = packed.split_at_mut(k.n_heads * keys_len);
        pack_keys(compute, &k, packed_keys);
        if out.z.is_some() {
            pack_values(compute, &v, packed_values);
        }
        let pass = Pass {
            q,
            k,
            v,
            rule,
            keys,
            packed_keys,
            packed_values,
            z: out.z.map(Shared::new),
            lse: out.lse.map(Shared::new),
            scores: out.scores.map(Shared::new),
            pattern: out.pattern.map(Shared::new),
        };
        let rows = block_rows(pass.scores_stride());
        let blocks = queries.div_ceil(rows);
        compute.for_each_chunk(heads * blocks, |task| {
            let (head, block) = (task / blocks, task % blocks);
            pass.block(compute, head, block * rows..queries.min((block + 1) * rows));
        });
    });
}

/// How many queries a task takes: their scores fill at most a quarter of a
/// mebibyte, and a panel of keys that was fetched serves at least one tile.
fn block_rows(stride: usize) -> usize {
    ((1 << 16) / stride.max(1) / 8 * 8).clamp(8, 32)
}

fn packed_keys_len(k: &Heads) -> usize {
    k.tokens.div_ceil(PANEL) * PANEL * k.d_head
}

fn packed_values_len(v: &Heads) -> usize {
    v.tokens * v.d_head.next_multiple_of(GROUP)
}

/// Keys of each head less their centre, in panels: `[heads][panels][d_head][48]`,
/// zero beyond the last key up to the end of its group.
fn pack_keys(compute: &Compute, k: &Heads, packed: &mut [f32]) {
    let panels = k.tokens.div_ceil(PANEL);
    for_each_part(compute, packed, k.d_head * PANEL, |part, panel| {
        let (head, first) = (part / panels, part % panels * PANEL);
        let count = PANEL.min(k.tokens - first);
        let centre = centre(k, head);
        for g in (0..count).step_by(GROUP) {
            for (i, block) in panel.chunks_mut(GROUP * PANEL).enumerate() {
                let mut square = [[0.0; GROUP]; GROUP];
                let width = block.len() / PANEL;
                for (j, numbers) in square.iter_mut().take(count - g).enumerate() {
                    let at = i * GROUP..i * GROUP + width;
                    *numbers = padded(&k.row(head, first + g + j)[at.clone()]);
                    let centre = padded(&centre[at]);
                    numbers.iter_mut().zip(centre).for_each(|(number, c)| *number -= c);
                }
                turn(&square, &mut block[g..], PANEL);
            }
        }
    });
}

/// At most sixteen numbers, zeros after them: of a constant size, for vector code.
fn padded(numbers: &[f32]) -> [f32; GROUP] {
    numbers.try_into().unwrap_or_else(|_| {
        let mut padded = [0.0; GROUP];
        padded[..numbers.len()].copy_from_slice(numbers);
        padded
    })
}

/// A vector near the mean of a head's keys: the mean of 16 to 31 of them, evenly
/// spread. Any vector would be right, so that a few keys will do.
fn centre(k: &Heads, head: usize) -> Vec<f32> {
    let step = (k.tokens / 16).max(1);
    let mut sum = vec![0.0; k.d_head];
    for token in (0..k.tokens).step_by(step) {
        sum.iter_mut().zip(k.row(head, token)).for_each(|(sum, key)| *sum += key);
    }
    let count = k.tokens.div_ceil(step) as f32;
    sum.iter_mut().for_each(|sum| *sum /= count);
    sum
}

/// Columns of a head's values that stand together: whole panels, then the rest
/// in whole groups.
fn value_panels(d_head: usize) -> impl Iterator<Item = Range<usize>> {
    (0..d_head).step_by(PANEL).map(move |from| from..d_head.min(from + PANEL))
}

/// Values of each head, `[heads][panels][tokens][48 or what is left, in whole groups]`.
fn pack_values(compute: &Compute, v: &Heads, packed: &mut [f32]) {
    for_each_part(compute, packed, packed_values_len(v), |head, packed| {
        let mut packed = packed;
        for columns in value_panels(v.d_head) {
            let width = columns.len().next_multiple_of(GROUP);
            let (panel, rest) = std::mem::take(&mut packed).split_at_mut(v.tokens * width);
            for (token, row) in panel.chunks_exact_mut(width).enumerate() {
                let (values, padding) = row.split_at_mut(columns.len());
                values.copy_from_slice(&v.row(head, token)[columns.clone()]);
                padding.fill(0.0);
            }
            packed = rest;
        }
    });
}

/// What the tasks of one call share.
struct Pass<'a> {
    q: Heads<'a>,
    k: Heads<'a>,
    v: Heads<'a>,
    rule: AttendRule<'a>,
    keys: usize,
    packed_keys: &'a [f32],
    packed_values: &'a [f32],
    z: Option<Shared<'a, f32>>,
    lse: Option<Shared<'a, f32>>,
    scores: Option<Shared<'a, f32>>,
    pattern: Option<Shared<'a, f32>>,
}

impl<'a> Pass<'a> {
    /// From one row of scratch scores to the next: whole panels, and a group
    /// more so that rows do not fall onto the same cache sets.
    fn scores_stride(&self) -> usize {
        self.keys.next_multiple_of(PANEL) + GROUP
    }

    /// Key heads follow each other as query heads do.
    fn key_head(&self, head: usize) -> usize {
        head * self.v.n_heads / self.q.n_heads
    }

    /// The range of keys that a query may see.
    fn seen(&self, query: usize) -> Range<usize> {
        let keys = (self.rule.keys)(query);
        let end = keys.end.min(self.keys);
        keys.start.min(end)..end
    }

    /// One head, some queries.
    fn block(&self, compute: &Compute, head: usize, queries: Range<usize>) {
        let seen: Vec<Range<usize>> = queries.clone().map(|query| self.seen(query)).collect();
        let some = || seen.iter().filter(|keys| !keys.is_empty());
        let start = some().map(|keys| keys.start).min().unwrap_or(0);
        let end = some().map(|keys| keys.end).max().unwrap_or(0);
        let stride = self.scores_stride();
        with_scratch(queries.len() * stride, |scores| {
            self.products(compute, head, &queries, start..end, scores);
            compute.isa().run(SoftmaxBlock {
                pass: self,
                head,
                first: queries.start,
                centre: self.centre_in_scores(head),
                seen: &seen,
                block: start..end,
                scores,
            });
            if let Some(z) = self.z {
                let rows = Weights { numbers: scores, stride, keys: start..end };
                let head = (head, self.q.n_heads);
                mix_block(compute, rows, &self.v, self.values(head.0), head, queries, z);
            }
        });
    }

    /// Unscaled scores of some queries against all panels that hold keys of `keys`.
    fn products(
        &self,
        compute: &Compute,
        head: usize,
        queries: &Range<usize>,
        keys: Range<usize>,
        scores: &mut [f32],
    ) {
        let (q, stride) = (&self.q, self.scores_stride());
        let size = q.d_head * PANEL;
        let panels = self.keys.div_ceil(PANEL);
        let packed = &self.packed_keys[self.key_head(head) * panels * size..][..panels * size];
        for panel in keys.start / PANEL..keys.end.div_ceil(PANEL) {
            let first = panel * PANEL;
            compute.isa().run(Product {
                rows: queries.len(),
                depth: q.d_head,
                columns: PANEL.min(keys.end - first),
                a: &q.data[head * q.head_stride + queries.start * q.token_stride..],
                a_stride: q.token_stride,
                b: Numbers::F32(&packed[panel * size..(panel + 1) * size]),
                b_stride: PANEL,
                c: &mut scores[first..],
                c_stride: stride,
                wide: &mut [],
                upcoming: packed.as_ptr().wrapping_add((panel + 1) * size).cast(),
                landing: (std::ptr::null(), 0), // scratch, which is in the cache
            });
        }
    }

    /// What was taken off the keys of a head, if anybody asks for true scores.
    fn centre_in_scores(&self, head: usize) -> Option<Vec<f32>> {
        let rule = &self.rule;
        let recorded = self.scores.is_some() || self.lse.is_some();
        let asked = recorded || rule.soft_cap.is_some() || rule.sink.is_some();
        asked.then(|| centre(&self.k, self.key_head(head)))
    }

    /// The row of a result that belongs to one query of one head.
    fn row_of(&self, out: Option<Shared<'a, f32>>, index: usize, width: usize) -> Option<&'a mut [f32]> {
        // SAFETY: each head and query has one task, which asks once for a row
        // of each result.
        #[allow(unsafe_code)]
        out.map(|out| unsafe { out.part(index * width..(index + 1) * width) })
    }

    fn values(&self, head: usize) -> &[f32] {
        let len = packed_values_len(&self.v);
        &self.packed_values[self.key_head(head) * len..][..len]
    }
}

/// Turns the products of a block of queries into weights, and records what is wanted.
struct SoftmaxBlock<'a, 'b> {
    pass: &'b Pass<'a>,
    head: usize,
    first: usize,
    /// What was taken off the keys, if true scores are asked for.
    centre: Option<Vec<f32>>,
    /// The keys that each query may see.
    seen: &'b [Range<usize>],
    /// The keys that any of them may see.
    block: Range<usize>,
    scores: &'b mut [f32],
}

impl Kernel for SoftmaxBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.scores.chunks_exact_mut(self.pass.scores_stride());
        for (i, (seen, row)) in self.seen.iter().zip(rows).enumerate() {
            let query = self.pass.q.row(self.head, self.first + i);
            let offset = self.centre.as_ref().map_or(0.0, |centre| dot(simd, query, centre));
            let row = Row {
                pass: self.pass,
                head: self.head,
                index: self.head * self.pass.q.tokens + self.first + i,
                offset: offset * f64::from(self.pass.rule.scale),
                seen: seen.clone(),
                block: self.block.clone(),
                products: row,
            };
            row.softmax(simd);
        }
    }
}

/// One row of a [`SoftmaxBlock`].
struct Row<'a, 'b> {
    pass: &'b Pass<'a>,
    head: usize,
    /// Counts the rows of all heads.
    index: usize,
    /// What the scores of the row lack.
    offset: f64,
    seen: Range<usize>,
    block: Range<usize>,
    products: &'b mut [f32],
}

impl Row<'_, '_> {
    #[inline(always)]
    fn softmax<S: Simd>(self, simd: S) {
        let Row { pass, index, mut offset, seen, block, .. } = self;
        let Pass { rule, keys, .. } = *pass;
        // The row is worked on in whole groups: what is beyond the keys seen is
        // -inf until it becomes zero.
        let from = seen.start / GROUP * GROUP;
        let to = seen.end.next_multiple_of(GROUP);
        let weights = &mut self.products[from..to];
        let inner = seen.start - from..seen.end - from;
        let scale = simd.splat(rule.scale);
        map(
            simd,
            weights,
            #[inline(always)]
            |score| simd.mul(score, scale),
        );
        if let Some(cap) = rule.soft_cap {
            let (cap, lack) = (simd.splat(cap), simd.splat(offset as f32));
            map(
                simd,
                weights,
                #[inline(always)]
                |score| simd.mul(cap, tanh(simd, simd.div(simd.add(score, lack), cap))),
            );
            offset = 0.0;
        }
        weights[..inner.start].fill(f32::NEG_INFINITY);
        weights[inner.end..].fill(f32::NEG_INFINITY);
        if let Some(padding) = rule.padding {
            let attended = &padding[seen.clone()];
            for (score, &attended) in weights[inner.clone()].iter_mut().zip(attended) {
                *score = if attended { *score } else { f32::NEG_INFINITY };
            }
        }
        if let Some(out) = pass.row_of(pass.scores, index, keys) {
            out[..seen.start].fill(f32::NEG_INFINITY);
            for (out, &score) in out[seen.clone()].iter_mut().zip(&weights[inner.clone()]) {
                *out = (f64::from(score) + offset) as f32;
            }
            out[seen.end..].fill(f32::NEG_INFINITY);
        }
        let sink = rule.sink.map(|sink| (f64::from(sink[self.head]) - offset) as f32);
        let total = softmax(simd, weights, sink);
        if let Some(out) = pass.row_of(pass.lse, index, 1) {
            out[0] = (total.log() + offset) as f32;
        }
        if let Some(out) = pass.row_of(pass.pattern, index, keys) {
            out[..seen.start].fill(0.0);
            out[seen.clone()].copy_from_slice(&weights[inner]);
            out[seen.end..].fill(0.0);
        }
        self.products[block.start.min(from)..from].fill(0.0);
        self.products[to..block.end.max(to)].fill(0.0);
    }
}

/// A product of vectors, its sum in f64.
#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f64 {
    let mut sums = simd.sums();
    let (a, b) = (a.chunks_exact(S::LANES), b.chunks_exact(S::LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| f64::from(a * b)).sum();
    for (a, b) in a.zip(b) {
        sums = simd.accumulate(sums, simd.mul(load(simd, a), load(simd, b)));
    }
    simd.total(sums) + rest
}

/// The sum of exponentials of a row, as `exp(max) * sum`.
struct Total {
    max: f32,
    sum: f64,
}

impl Total {
    fn log(&self) -> f64 {
        // A sum of nothing is zero, whose logarithm is -inf as it should be.
        f64::from(self.max) + self.sum.ln()
    }
}

/// Softmax of a row of whole groups, in place; zeros when all of it is -inf.
#[inline(always)]
fn softmax<S: Simd>(simd: S, row: &mut [f32], sink: Option<f32>) -> Total {
    assert_eq!(row.len() % GROUP, 0, "a row of whole groups");
    let sink = sink.unwrap_or(f32::NEG_INFINITY);
    let mut largest = simd.splat(sink);
    for scores in row.chunks_exact(S::LANES) {
        largest = simd.max(load(simd, scores), largest);
    }
    let max = simd.largest(largest);
    if max == f32::NEG_INFINITY {
        row.fill(0.0);
        return Total { max, sum: 0.0 };
    }
    // Sums in f64: the weights of a row of any length add up to one.
    let shift = simd.splat(max);
    let mut sums = simd.sums();
    for scores in row.chunks_exact_mut(S::LANES) {
        let e = exp_of_sum(simd, simd.sub(load(simd, scores), shift), simd.zero());
        sums = simd.accumulate(sums, e);
        store(simd, scores, e);
    }
    let mut sum = simd.total(sums);
    if sink > f32::NEG_INFINITY {
        sum += f64::from(sink - max).exp();
    }
    // The reciprocal in two parts makes the product as good as a division.
    let inverse = 1.0 / sum;
    let high = inverse as f32;
    let low = simd.splat((inverse - f64::from(high)) as f32);
    let high = simd.splat(high);
    map(
        simd,
        row,
        #[inline(always)]
        |e| simd.fma(e, high, simd.mul(e, low)),
    );
    Total { max, sum }
}

/// [`softmax`] of one row.
struct SoftmaxRow<'a> {
    row: &'a mut [f32],
    sink: Option<f32>,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = Total;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Total {
        softmax(simd, self.row, self.sink)
    }
}

/// Softmax of each row of `scores` `[heads, queries, keys]` into `pattern`, and
/// the log-sum-exp of each row into `lse` `[heads, queries]`.
///
/// For a pass whose scores were rewritten. Rows and sinks are treated as
/// [`attend`] treats them, to the bit.
///
/// # Panics
/// When sizes do not fit together.
pub fn softmax_rows(
    compute: &Compute,
    scores: &[f32],
    n_heads: usize,
    keys: usize,
    sink: Option<&[f32]>,
    pattern: &mut [f32],
    lse: Option<&mut [f32]>,
) {
    assert_eq!(scores.len(), pattern.len(), "scores and pattern [heads, queries, keys]");
    if scores.is_empty() {
        return;
    }
    let rows = scores.len() / keys;
    assert_eq!(rows * keys, scores.len(), "whole rows");
    assert_eq!(rows % n_heads, 0, "as many rows for each head");
    assert!(lse.as_ref().is_none_or(|lse| lse.len() == rows), "lse [heads, queries]");
    let lse = lse.map(Shared::new);
    for_each_part(compute, pattern, keys, |i, out| {
        let sink = sink.map(|sink| sink[i / (rows / n_heads)]);
        with_scratch(keys.next_multiple_of(GROUP), |row| {
            row[..keys].copy_from_slice(&scores[i * keys..][..keys]);
            row[keys..].fill(f32::NEG_INFINITY);
            let total = compute.isa().run(SoftmaxRow { row: &mut *row, sink });
            out.copy_from_slice(&row[..keys]);
            if let Some(lse) = lse {
                // SAFETY: this task alone has this row.
                #[allow(unsafe_code)]
                let lse = unsafe { lse.part(i..i + 1) };
                lse[0] = total.log() as f32;
            }
        });
    });
}

/// `z[i, h] = Σ_j pattern[h, i, j] v[h, j]`: pattern `[heads, queries, keys]`, z
/// `[queries, heads * d_head]`.
///
/// For a pass whose pattern was rewritten. Values may have fewer heads, as in [`attend`].
///
/// # Panics
/// When sizes do not fit together.
pub fn mix(compute: &Compute, pattern: &[f32], n_heads: usize, v: Heads, z: &mut [f32]) {
    let keys = v.tokens;
    let queries = z.len() / (n_heads * v.d_head).max(1);
    assert_eq!(z.len(), queries * n_heads * v.d_head, "z [queries, heads * d_head]");
    assert_eq!(pattern.len(), n_heads * queries * keys, "pattern [heads, queries, keys]");
    let len = packed_values_len(&v);
    with_scratch(v.n_heads * len, |packed| {
        pack_values(compute, &v, packed);
        let z = Shared::new(z);
        let rows = block_rows(keys);
        let blocks = queries.div_ceil(rows);
        compute.for_each_chunk(n_heads * blocks, |task| {
            let (head, block) = (task / blocks, task % blocks);
            let queries_here = block * rows..queries.min((block + 1) * rows);
            let numbers = &pattern[(head * queries + queries_here.start) * keys..];
            let rows = Weights { numbers, stride: keys, keys: 0..keys };
            let values = &packed[head * v.n_heads / n_heads * len..][..len];
            mix_block(compute, rows, &v, values, (head, n_heads), queries_here, z);
        });
    });
}

/// Weights of some queries; those outside of `keys` are zero.
struct Weights<'a> {
    numbers: &'a [f32],
    stride: usize,
    keys: Range<usize>,
}

/// The mixed values of one head and some queries, written into `z`.
fn mix_block(
    compute: &Compute,
    weights: Weights,
    v: &Heads,
    values: &[f32],
    (head, n_heads): (usize, usize),
    queries: Range<usize>,
    z: Shared<f32>,
) {
    let keys = weights.keys;
    with_scratch(queries.len() * PANEL, |mixed| {
        let mut at = 0;
        for columns in value_panels(v.d_head) {
            let width = columns.len().next_multiple_of(GROUP);
            compute.isa().run(Product {
                rows: queries.len(),
                depth: keys.len(),
                columns: columns.len(),
                a: &weights.numbers[keys.start..],
                a_stride: weights.stride,
                b: Numbers::F32(&values[at + keys.start * width..at + keys.end * width]),
                b_stride: width,
                c: mixed,
                c_stride: PANEL,
                wide: &mut [],
                upcoming: values.as_ptr().wrapping_add(at + v.tokens * width).cast(),
                landing: (std::ptr::null(), 0), // scratch, which is in the cache
            });
            for (query, mixed) in queries.clone().zip(mixed.chunks_exact(PANEL)) {
                let row = (query * n_heads + head) * v.d_head;
                // SAFETY: this task alone has this head and these queries.
                #[allow(unsafe_code)]
                let z = unsafe { z.part(row + columns.start..row + columns.end) };
                z.copy_from_slice(&mixed[..columns.len()]);
            }
            at += v.tokens * width;
        }
    });
}
