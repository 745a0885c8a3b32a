//! Attention of every head: `softmax(rule(q kᵀ)) v`, a block of queries and a block of keys
//! at a time.
//!
//! First each key head is packed as a weight matrix is: keys in panels of 48 columns, values as
//! rows of panels (`attend/pack.rs`). Then a task takes one head and up to 64 queries, and goes
//! through the keys that any of them may see in blocks of [`KEYS`]: scores against the panels of
//! the block, exponentials of each row while they lie in the second-level cache, and their product
//! with the values. A row keeps its running maximum and its sum in f64 (`attend/softmax.rs`);
//! when a block brings a larger maximum, what was added up before is scaled down to it, as in
//! arXiv 1805.02867. So nothing of the size of a row exists unless its weights are recorded, and a
//! text of any length is worked on within the caches.
//!
//! # One order for all
//!
//! Blocks begin at multiples of [`KEYS`], whatever a task holds, and what a row may not see adds
//! exact zeros. So the numbers of a row depend on its query, on the keys it sees and on nothing
//! else: not on the rows beside it, the number of threads, or what is recorded. With
//! [`AttendRule::causal`] they do not depend on later keys either, and a text that is continued
//! gives the same bits as in one go.
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

mod pack;
mod softmax;

use super::Compute;
use super::buffer::with_scratch;
use super::panel::{DEPTH, GROUP, Numbers, PANEL};
use super::share::{Shared, for_each_part};
use super::simd::{Kernel, Simd};
use super::tile::Product;
use pack::{Layout, Pack, Packed};
use softmax::{SoftmaxRow, Total, copy_scaled, dot, groups, rescale, true_scores};
use std::ops::Range;

/// Keys of a block: whole panels of keys, and of values whole blocks of a product.
const KEYS: usize = 384;
const _: () = assert!(KEYS.is_multiple_of(PANEL) && KEYS.is_multiple_of(DEPTH));

/// Queries of a task, at most: a panel of keys that came from memory serves them all.
const ROWS: usize = 64;

/// Queries whose products with values begin and end at the same keys.
const STRIP: usize = 16;

/// Up to so many queries and keys, a head is one task, which packs it too: a
/// job of the pool costs more than packing.
const SMALL: usize = 64;

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
    #[inline(always)]
    fn row(&self, head: usize, token: usize) -> &'a [f32] {
        &self.data[head * self.head_stride + token * self.token_stride..][..self.d_head]
    }
}

/// Adds something to the scores of a head and a query for a range of keys.
pub type Bias<'a> = &'a (dyn Fn(usize, usize, Range<usize>, &mut [f32]) + Sync);

/// How scores come from queries and keys.
#[derive(Clone, Copy)]
pub struct AttendRule<'a> {
    /// Factor of every product.
    pub scale: f32,
    /// The keys that a query may see, one range for each query; what lies
    /// outside is not computed. Full, causal and windowed masks are all ranges.
    pub keys: &'a (dyn Fn(usize) -> Range<usize> + Sync),
    /// Whether no row may depend on keys that come after those it sees, not even by rounding:
    /// keys are then centred on the first of them instead of their mean.
    pub causal: bool,
    /// Per key, whether it may be seen at all.
    pub padding: Option<&'a [bool]>,
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// What is added to scores then.
    pub bias: Option<Bias<'a>>,
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
    /// `[heads, queries, keys]`: the weights. Zeros on entry, as fresh memory has
    /// them: what lies outside of the range that a query may see is not written.
    pub pattern: Option<&'a mut [f32]>,
}

/// `softmax(rule(q kᵀ)) v` of every head.
///
/// Key heads may be fewer than query heads, which then share them in order:
/// query head `h` attends to key head `h * key_heads / query_heads`.
///
/// Queries need not begin with the text: for those from token `i` on, `q` begins there and
/// [`AttendRule::keys`] counts from there.
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
    let layout = Layout::new(&k, if out.z.is_some() { v.d_head } else { 0 });
    let pass = Pass {
        compute,
        q,
        k,
        v,
        rule,
        layout,
        z: out.z.map(Shared::new),
        lse: out.lse.map(Shared::new),
        scores: out.scores.map(Shared::new),
        pattern: out.pattern.map(Shared::new),
    };
    if queries.max(keys) <= SMALL { pass.small() } else { pass.large() }
}

/// What the tasks of one call share.
struct Pass<'a> {
    compute: &'a Compute,
    q: Heads<'a>,
    k: Heads<'a>,
    v: Heads<'a>,
    rule: AttendRule<'a>,
    layout: Layout,
    z: Option<Shared<'a, f32>>,
    lse: Option<Shared<'a, f32>>,
    scores: Option<Shared<'a, f32>>,
    pattern: Option<Shared<'a, f32>>,
}

/// One head, some queries.
struct Task<'p, 'a> {
    pass: &'p Pass<'a>,
    head: usize,
    queries: Range<usize>,
    packed: Packed<'p>,
}

/// What a task knows of one of its queries.
struct Row {
    /// The keys that it may see.
    seen: Range<usize>,
    /// What its products, times the scale, lack because keys are centred; 0 if nobody asks.
    lack: f64,
    total: Total,
}

/// Scores of a task, and what becomes of them.
struct Block<'b> {
    /// A row for each query, `stride` apart, from key `first` on.
    scores: &'b mut [f32],
    stride: usize,
    first: usize,
    /// The keys of the block that any query sees.
    keys: Range<usize>,
}

/// Queries whose products with values take the same keys.
struct Run {
    rows: Range<usize>,
    keys: Range<usize>,
}

impl<'a> Pass<'a> {
    /// A task for each head, which packs it too.
    fn small(&self) {
        let (layout, keys) = (self.layout, self.k.tokens);
        self.compute.for_each_chunk(self.q.n_heads, |head| {
            with_scratch(layout.len(), |memory| {
                self.pack(self.key_head(head), 0..keys, Shared::new(memory));
                Task { pass: self, head, queries: 0..self.q.tokens, packed: layout.read(memory) }.run();
            });
        });
    }

    /// First all heads are packed, then tasks take some queries each.
    fn large(&self) {
        let (heads, queries) = (self.q.n_heads, self.q.tokens);
        let (len, keys) = (self.layout.len(), self.k.tokens);
        with_scratch(self.k.n_heads * len, |memory| {
            let runs = keys.div_ceil(KEYS).max(1);
            let shared = Shared::new(memory);
            self.compute.for_each_chunk(self.k.n_heads * runs, |chunk| {
                let (head, from) = (chunk / runs, chunk % runs * KEYS);
                self.pack(head, from..keys.min(from + KEYS), shared.within(head * len..(head + 1) * len));
            });
            let rows = self.task_rows();
            let tasks = queries.div_ceil(rows);
            self.compute.for_each_chunk(heads * tasks, |chunk| {
                // Head by head, whose keys stay in the caches. The later a causal query comes,
                // the more it sees: the longest task first, so that short ones end the job.
                let (head, task) = (chunk / tasks, tasks - 1 - chunk % tasks);
                let queries = task * rows..queries.min((task + 1) * rows);
                let packed = self.layout.read(&memory[self.key_head(head) * len..][..len]);
                Task { pass: self, head, queries, packed }.run();
            });
        });
    }

    fn pack(&self, head: usize, tokens: Range<usize>, to: Shared<f32>) {
        let (k, v, causal, layout) = (&self.k, &self.v, self.rule.causal, self.layout);
        self.compute.isa().run(Pack { k, v, head, tokens, causal, layout, to });
    }

    /// How many queries a task takes: few enough that each thread has some
    /// tasks, and that weights to be recorded, which are kept until their sum is
    /// known, fill at most half a mebibyte.
    fn task_rows(&self) -> usize {
        let share = (self.q.n_heads * self.q.tokens).div_ceil(4 * self.compute.threads());
        let kept = if self.pattern.is_some() { (1 << 17) / self.k.tokens.max(1) } else { ROWS };
        share.min(kept).next_multiple_of(8).clamp(8, ROWS)
    }

    /// Key heads follow each other as query heads do.
    fn key_head(&self, head: usize) -> usize {
        head * self.v.n_heads / self.q.n_heads
    }

    /// The range of keys that a query may see.
    fn seen(&self, query: usize) -> Range<usize> {
        let keys = (self.rule.keys)(query);
        let end = keys.end.min(self.k.tokens);
        keys.start.min(end)..end
    }

    /// What scores of a row lack when exponentials are taken of them: a cap put it back.
    fn score_lack(&self, row: &Row) -> f64 {
        if self.rule.soft_cap.is_some() { 0.0 } else { row.lack }
    }

    /// The row of a result that belongs to one query of one head.
    fn row_of(&self, out: Option<Shared<'a, f32>>, index: usize, width: usize) -> Option<&'a mut [f32]> {
        // SAFETY: each head and query has one task, which holds at most one part
        // of its row of each result at a time.
        #[allow(unsafe_code)]
        out.map(|out| unsafe { out.part(index * width..(index + 1) * width) })
    }
}

impl Task<'_, '_> {
    fn run(&self) {
        let isa = self.pass.compute.isa();
        let mut rows = isa.run(Begin { task: self });
        let keys = union(rows.iter().map(|row| &row.seen));
        let start = keys.start / KEYS * KEYS;
        let kept = if self.pass.pattern.is_some() { keys.end - start } else { KEYS.min(keys.end - start) };
        // A group more, so that rows do not fall onto the same cache sets.
        let stride = kept.next_multiple_of(PANEL) + GROUP;
        let width = self.pass.layout.value_width();
        with_scratch(rows.len() * (stride + width), |scratch| {
            let (scores, mixed) = scratch.split_at_mut(rows.len() * stride);
            mixed.fill(0.0);
            let mut block = Block { scores, stride, first: start, keys: start..start };
            for from in (start..keys.end).step_by(KEYS) {
                block.keys = keys.start.max(from)..keys.end.min(from + KEYS);
                if self.pass.pattern.is_none() {
                    block.first = from;
                }
                self.products(&rows, &mut block);
                let runs = if width > 0 { runs(&rows, &block.keys) } else { Vec::new() };
                isa.run(Exponentials { task: self, rows: &mut rows, runs: &runs, block: &mut block, mixed });
                for run in &runs {
                    let weights = &block.scores[run.rows.start * stride + run.keys.start - block.first..];
                    let weights = Weights { numbers: weights, stride, run };
                    let Pass { compute, layout, .. } = *self.pass;
                    add_values(compute, layout, weights, self.packed.values, mixed);
                }
            }
            isa.run(Finish { task: self, rows: &rows, block: &block, mixed });
        });
    }

    /// Unscaled scores against the panels of a block, each for the queries that see some of it.
    fn products(&self, rows: &[Row], block: &mut Block) {
        let (q, stride) = (&self.pass.q, block.stride);
        let size = q.d_head * PANEL;
        for first in (block.keys.start / PANEL * PANEL..block.keys.end).step_by(PANEL) {
            let sees = |row: &Row| row.seen.start < first + PANEL && first < row.seen.end;
            let (Some(from), Some(last)) = (rows.iter().position(sees), rows.iter().rposition(sees)) else {
                continue;
            };
            let panel = first / PANEL * size;
            self.pass.compute.isa().run(Product {
                rows: last + 1 - from,
                depth: q.d_head,
                columns: PANEL.min(block.keys.end - first),
                a: &q.data[self.head * q.head_stride + (self.queries.start + from) * q.token_stride..],
                a_stride: q.token_stride,
                b: Numbers::F32(&self.packed.keys[panel..panel + size]),
                b_stride: PANEL,
                c: &mut block.scores[from * stride + first - block.first..],
                c_stride: stride,
                add: false,
                wide: &mut [],
                upcoming: self.packed.keys.as_ptr().wrapping_add(panel + size).cast(),
                landing: None,
            });
        }
    }
}

/// The smallest range that holds all ranges but the empty ones.
fn union<'r>(ranges: impl Iterator<Item = &'r Range<usize>>) -> Range<usize> {
    let all = ranges.filter(|range| !range.is_empty());
    all.fold(0..0, |all, range| {
        if all.is_empty() { range.clone() } else { all.start.min(range.start)..all.end.max(range.end) }
    })
}

fn intersection(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let end = a.end.min(b.end);
    a.start.max(b.start).min(end)..end
}

/// The keys of a block that rows need values of, in runs of rows.
///
/// They begin where a block of the product would begin if the run began with the
/// block of keys: what is added up together does not depend on the rows of a run.
fn runs(rows: &[Row], keys: &Range<usize>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (i, strip) in rows.chunks(STRIP).enumerate() {
        let seen: Vec<_> = strip.iter().map(|row| intersection(&row.seen, keys)).collect();
        let keys = union(seen.iter());
        let keys = keys.start / DEPTH * DEPTH..keys.end;
        let rows = i * STRIP..i * STRIP + strip.len();
        match runs.last_mut() {
            _ if keys.is_empty() => {}
            Some(last) if last.keys == keys && last.rows.end == rows.start => last.rows.end = rows.end,
            _ => runs.push(Run { rows, keys }),
        }
    }
    runs
}

/// Makes the rows of a task.
struct Begin<'t, 'p, 'a> {
    task: &'t Task<'p, 'a>,
}

impl Kernel for Begin<'_, '_, '_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<Row> {
        let Task { pass, head, queries, packed } = self.task;
        let rule = &pass.rule;
        let recorded = pass.scores.is_some() || pass.lse.is_some();
        let asked = recorded || rule.soft_cap.is_some() || rule.sink.is_some();
        let mut rows = Vec::with_capacity(queries.len());
        for query in queries.clone() {
            let dot = if asked { dot(simd, pass.q.row(*head, query), packed.centre) } else { 0.0 };
            let mut row =
                Row { seen: pass.seen(query), lack: dot * f64::from(rule.scale), total: Total::new(None) };
            if let Some(sink) = rule.sink {
                row.total = Total::new(Some((f64::from(sink[*head]) - pass.score_lack(&row)) as f32));
            }
            rows.push(row);
        }
        rows
    }
}

/// Turns the products of a block into exponentials.
struct Exponentials<'t, 'p, 'a, 'b> {
    task: &'t Task<'p, 'a>,
    rows: &'t mut [Row],
    runs: &'t [Run],
    block: &'t mut Block<'b>,
    /// Mixed values so far, which are scaled down when the maximum of a row grows.
    mixed: &'t mut [f32],
}

impl Kernel for Exponentials<'_, '_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Exponentials { task, rows, runs, block, mixed } = self;
        let Block { stride, first, ref keys, .. } = *block;
        let width = task.pass.layout.value_width();
        for (i, row) in rows.iter_mut().enumerate() {
            let scores = &mut block.scores[i * stride..][..stride];
            let seen = intersection(&row.seen, keys);
            if seen.is_empty() {
                continue;
            }
            let whole = groups(&seen);
            let (before, scores) = scores.split_at_mut(whole.start - first);
            let scores = &mut scores[..whole.len()];
            let scale = task.finish_scores(simd, i, row, &seen, scores);
            if let Some(factor) = row.total.add(simd, scores, scale) {
                rescale(simd, &mut mixed[i * width..][..width], factor);
                // What is kept for the pattern; nothing otherwise.
                let kept = groups(&row.seen).start.max(first) - first;
                rescale(simd, &mut before[kept..], factor);
            }
        }
        for run in runs {
            for i in run.rows.clone() {
                let scores = &mut block.scores[i * stride..][..stride];
                let whole = groups(&intersection(&rows[i].seen, keys));
                let (from, to) = (run.keys.start, run.keys.end);
                scores[from - first..whole.start.clamp(from, to) - first].fill(0.0);
                scores[whole.end.clamp(from, to) - first..to - first].fill(0.0);
            }
        }
    }
}

impl Task<'_, '_> {
    /// Masks the products of a row in its whole groups, and records scores if they are wanted.
    /// Returns the scale that is still to be applied.
    #[inline(always)]
    fn finish_scores<S: Simd>(
        &self,
        simd: S,
        i: usize,
        row: &Row,
        seen: &Range<usize>,
        products: &mut [f32],
    ) -> f32 {
        let pass = self.pass;
        let rule = &pass.rule;
        let mut scale = rule.scale;
        // Masks are made for scores that a positive factor leaves in order.
        if rule.soft_cap.is_some() || rule.bias.is_some() || scale <= 0.0 {
            true_scores(simd, products, scale, rule.soft_cap, row.lack as f32);
            scale = 1.0;
        }
        let whole = groups(seen);
        products[..seen.start - whole.start].fill(f32::NEG_INFINITY);
        products[seen.end - whole.start..].fill(f32::NEG_INFINITY);
        let products = &mut products[seen.start - whole.start..seen.end - whole.start];
        if let Some(bias) = rule.bias {
            bias(self.head, self.queries.start + i, seen.clone(), products);
        }
        if let Some(padding) = rule.padding {
            for (product, &attended) in products.iter_mut().zip(&padding[seen.clone()]) {
                *product = if attended { *product } else { f32::NEG_INFINITY };
            }
        }
        if let Some(out) = pass.row_of(pass.scores, self.index(i), pass.k.tokens) {
            let lack = pass.score_lack(row);
            for (out, product) in out[seen.clone()].iter_mut().zip(products) {
                *out = (f64::from(*product * scale) + lack) as f32;
            }
        }
        scale
    }

    /// Counts the rows of all heads.
    fn index(&self, i: usize) -> usize {
        self.head * self.pass.q.tokens + self.queries.start + i
    }
}

/// Writes what is known when the last block is done.
struct Finish<'t, 'p, 'a, 'b> {
    task: &'t Task<'p, 'a>,
    rows: &'t [Row],
    block: &'t Block<'b>,
    mixed: &'t [f32],
}

impl Kernel for Finish<'_, '_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Finish { task, rows, block, mixed } = self;
        let Task { pass, head, ref queries, .. } = *task;
        let width = pass.layout.value_width();
        for (i, row) in rows.iter().enumerate() {
            let (index, keys) = (task.index(i), pass.k.tokens);
            let inverse = row.total.inverse(simd);
            if let Some(out) = pass.row_of(pass.lse, index, 1) {
                out[0] = (row.total.log() + pass.score_lack(row)) as f32;
            }
            if let Some(out) = pass.row_of(pass.scores, index, keys) {
                out[..row.seen.start].fill(f32::NEG_INFINITY);
                out[row.seen.end..].fill(f32::NEG_INFINITY);
            }
            if let Some(out) = pass.row_of(pass.pattern, index, keys)
                && !row.seen.is_empty()
            {
                let kept = &block.scores[i * block.stride + row.seen.start - block.first..];
                copy_scaled(simd, &kept[..row.seen.len()], inverse, &mut out[row.seen.clone()]);
            }
            // Rows of z, by token, are cut into heads.
            let place = (queries.start + i) * pass.q.n_heads + head;
            if let Some(out) = pass.row_of(pass.z, place, pass.v.d_head) {
                copy_scaled(simd, &mixed[i * width..][..pass.v.d_head], inverse, out);
            }
        }
    }
}

/// Weights of some queries, rows `stride` apart, the first of which is that of the first key of `run`.
struct Weights<'w> {
    numbers: &'w [f32],
    stride: usize,
    run: &'w Run,
}

/// `mixed += weights · values`; `mixed` has room for values in whole groups.
fn add_values(compute: &Compute, layout: Layout, weights: Weights, values: &[f32], mixed: &mut [f32]) {
    let Run { rows, keys } = weights.run;
    let width = layout.value_width();
    let mixed = &mut mixed[rows.start * width..rows.end * width];
    for columns in layout.value_panels() {
        let panel = layout.values(values, &columns, keys);
        compute.isa().run(Product {
            rows: rows.len(),
            depth: keys.len(),
            columns: columns.len(),
            a: weights.numbers,
            a_stride: weights.stride,
            b: Numbers::F32(panel),
            b_stride: columns.len(),
            c: &mut mixed[columns.start..],
            c_stride: width,
            add: true,
            wide: &mut [],
            upcoming: panel.as_ptr().wrapping_add(panel.len()).cast(),
            landing: None,
        });
    }
}

/// Softmax of each row of `scores` `[heads, queries, keys]` into `pattern`, and
/// the log-sum-exp of each row into `lse` `[heads, queries]`.
///
/// For a pass whose scores were rewritten. Rows and sinks are treated as
/// [`attend`] treats them.
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
        // Without keys a row has its sink alone.
        if let Some(lse) = lse {
            let rows = (lse.len() / n_heads.max(1)).max(1);
            for (head, lse) in lse.chunks_mut(rows).enumerate() {
                lse.fill(sink.map_or(f32::NEG_INFINITY, |sink| sink[head]));
            }
        }
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
            let total = compute.isa().run(SoftmaxRow { row: &mut *row, sink, block: KEYS });
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
    let (keys, d_value) = (v.tokens, v.d_head);
    let queries = z.len() / (n_heads * d_value).max(1);
    assert_eq!(z.len(), queries * n_heads * d_value, "z [queries, heads * d_head]");
    assert_eq!(pattern.len(), n_heads * queries * keys, "pattern [heads, queries, keys]");
    // Values alone: keys without width.
    let k = Heads { d_head: 0, ..v };
    let layout = Layout::new(&k, d_value);
    let (len, width) = (layout.len(), layout.value_width());
    with_scratch(v.n_heads * len, |memory| {
        for_each_part(compute, memory, len, |head, memory| {
            let to = Shared::new(memory);
            compute.isa().run(Pack { k: &k, v: &v, head, tokens: 0..keys, causal: false, layout, to });
        });
        let z = Shared::new(z);
        let tasks = queries.div_ceil(ROWS);
        compute.for_each_chunk(n_heads * tasks, |task| {
            let (head, from) = (task / tasks, task % tasks * ROWS);
            let rows = queries.min(from + ROWS) - from;
            let packed = layout.read(&memory[head * v.n_heads / n_heads * len..][..len]);
            let run = Run { rows: 0..rows, keys: 0..keys };
            let numbers = &pattern[(head * queries + from) * keys..];
            let weights = Weights { numbers, stride: keys, run: &run };
            with_scratch(rows * width, |mixed| {
                mixed.fill(0.0);
                add_values(compute, layout, weights, packed.values, mixed);
                for i in 0..rows {
                    let row = ((from + i) * n_heads + head) * d_value;
                    // SAFETY: this task alone has this head and these queries.
                    #[allow(unsafe_code)]
                    let z = unsafe { z.part(row..row + d_value) };
                    z.copy_from_slice(&mixed[i * width..][..d_value]);
                }
            });
        });
    });
}
