//! Softmax of rows that come in blocks of keys.

use crate::kernels::math::{exp_of_difference, load, map, store, tanh};
use crate::kernels::panel::GROUP;
use crate::kernels::simd::{Kernel, Simd};
use std::ops::Range;

/// The exponentials of a row so far: their sum is `exp(max) * sum`.
#[derive(Clone, Copy)]
pub(super) struct Total {
    pub(super) max: f32,
    pub(super) sum: f64,
}

impl Total {
    /// Of no score yet, or of the sink alone.
    pub(super) fn new(sink: Option<f32>) -> Total {
        match sink {
            Some(sink) if sink > f32::NEG_INFINITY => Total { max: sink, sum: 1.0 },
            _ => Total { max: f32::NEG_INFINITY, sum: 0.0 },
        }
    }

    pub(super) fn log(&self) -> f64 {
        // A sum of nothing is zero, whose logarithm is -inf as it should be.
        f64::from(self.max) + self.sum.ln()
    }

    /// The factor that makes weights of exponentials, in two parts, which makes
    /// the product as good as a division. Zero if nothing was seen.
    #[inline(always)]
    pub(super) fn inverse<S: Simd>(&self, simd: S) -> [S::Vector; 2] {
        let inverse = if self.sum == 0.0 { 0.0 } else { 1.0 / self.sum };
        let high = inverse as f32;
        [simd.splat(high), simd.splat((inverse - f64::from(high)) as f32)]
    }

    /// Turns the next products of the row, in whole groups, into exponentials of
    /// `scale * product`, and adds them up. What is -inf becomes zero.
    ///
    /// Returns the factor for exponentials computed before, if the maximum grew.
    #[inline(always)]
    pub(super) fn add<S: Simd>(&mut self, simd: S, products: &mut [f32], scale: f32) -> Option<f32> {
        let old = self.max;
        let max = simd.largest(largest(simd, products, scale, old));
        let mut factor = None;
        if max > old {
            let grown = (f64::from(old) - f64::from(max)).exp();
            self.sum *= grown;
            self.max = max;
            // Before the first score there was nothing.
            factor = (old > f32::NEG_INFINITY).then_some(grown as f32);
        }
        // If there was no score yet, -inf becomes zero with any shift.
        let shift = simd.splat(if max > f32::NEG_INFINITY { -max } else { 0.0 });
        let scale = simd.splat(scale);
        map(
            simd,
            products,
            #[inline(always)]
            |x| exp_of_difference(simd, simd.fma(x, scale, shift)),
        );
        self.sum += sum(simd, products);
        factor
    }
}

/// Registers of a loop that would wait for its own last result.
const CHAINS: usize = 4;

/// The largest of `scale * product`, lane by lane, and `least`. A NaN is not large.
#[inline(always)]
fn largest<S: Simd>(simd: S, products: &[f32], scale: f32, least: f32) -> S::Vector {
    let scale = simd.splat(scale);
    let mut largest = [simd.splat(least); CHAINS];
    let mut blocks = products.chunks_exact(CHAINS * S::LANES);
    for block in &mut blocks {
        for (largest, x) in largest.iter_mut().zip(block.chunks_exact(S::LANES)) {
            *largest = simd.max(simd.mul(load(simd, x), scale), *largest);
        }
    }
    for x in blocks.remainder().chunks_exact(S::LANES) {
        largest[0] = simd.max(simd.mul(load(simd, x), scale), largest[0]);
    }
    simd.max(simd.max(largest[0], largest[1]), simd.max(largest[2], largest[3]))
}

/// The sum of whole groups, in f64: the weights of a row of any length add up to one.
#[inline(always)]
fn sum<S: Simd>(simd: S, x: &[f32]) -> f64 {
    let mut sums = [simd.sums(); 2];
    let mut pairs = x.chunks_exact(2 * S::LANES);
    for pair in &mut pairs {
        sums = [accumulate(simd, sums[0], &pair[..S::LANES]), accumulate(simd, sums[1], &pair[S::LANES..])];
    }
    for register in pairs.remainder().chunks_exact(S::LANES) {
        sums[0] = accumulate(simd, sums[0], register);
    }
    simd.total(sums[0]) + simd.total(sums[1])
}

#[inline(always)]
fn accumulate<S: Simd>(simd: S, sums: S::Sums, register: &[f32]) -> S::Sums {
    assert!(register.len() >= S::LANES);
    // SAFETY: the slice holds a register.
    #[allow(unsafe_code)]
    unsafe {
        simd.accumulate_from(sums, register.as_ptr())
    }
}

/// Multiplies by the two parts of a factor.
#[inline(always)]
pub(super) fn scaled<S: Simd>(simd: S, x: S::Vector, [high, low]: [S::Vector; 2]) -> S::Vector {
    simd.fma(x, high, simd.mul(x, low))
}

/// `to = from * factor`, a factor in two parts.
#[inline(always)]
pub(super) fn copy_scaled<S: Simd>(simd: S, from: &[f32], factor: [S::Vector; 2], to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    let mut to = to.chunks_exact_mut(S::LANES);
    let mut from = from.chunks_exact(S::LANES);
    for (to, from) in (&mut to).zip(&mut from) {
        store(simd, to, scaled(simd, load(simd, from), factor));
    }
    let rest = from.remainder();
    let mut lanes = [0.0; GROUP];
    lanes[..rest.len()].copy_from_slice(rest);
    map(
        simd,
        &mut lanes[..S::LANES],
        #[inline(always)]
        |x| scaled(simd, x, factor),
    );
    to.into_remainder().copy_from_slice(&lanes[..rest.len()]);
}

/// Scores as the rule has them: `scale * product`, capped if the rule says so.
/// `lack` is what products have less than the true scores, which a cap is about.
#[inline(always)]
pub(super) fn true_scores<S: Simd>(simd: S, x: &mut [f32], scale: f32, soft_cap: Option<f32>, lack: f32) {
    let scale = simd.splat(scale);
    map(
        simd,
        x,
        #[inline(always)]
        |x| simd.mul(x, scale),
    );
    if let Some(cap) = soft_cap {
        let (cap, lack) = (simd.splat(cap), simd.splat(lack));
        map(
            simd,
            x,
            #[inline(always)]
            |x| simd.mul(cap, tanh(simd, simd.div(simd.add(x, lack), cap))),
        );
    }
}

/// A product of vectors, its sum in f64.
#[inline(always)]
pub(super) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f64 {
    let mut sums = simd.sums();
    let (a, b) = (a.chunks_exact(S::LANES), b.chunks_exact(S::LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| f64::from(a * b)).sum();
    for (a, b) in a.zip(b) {
        sums = simd.accumulate(sums, simd.mul(load(simd, a), load(simd, b)));
    }
    simd.total(sums) + rest
}

/// Softmax of one row in place, `row` in whole groups.
pub(super) struct SoftmaxRow<'a> {
    pub(super) row: &'a mut [f32],
    pub(super) sink: Option<f32>,
    /// Keys of a block.
    pub(super) block: usize,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = Total;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Total {
        let mut total = Total::new(self.sink);
        for from in (0..self.row.len()).step_by(self.block) {
            let (before, rest) = self.row.split_at_mut(from);
            let block = rest.len().min(self.block);
            if let Some(factor) = total.add(simd, &mut rest[..block], 1.0) {
                rescale(simd, before, factor);
            }
        }
        let inverse = total.inverse(simd);
        map(
            simd,
            self.row,
            #[inline(always)]
            |x| scaled(simd, x, inverse),
        );
        total
    }
}

/// `x *= factor`.
#[inline(always)]
pub(super) fn rescale<S: Simd>(simd: S, x: &mut [f32], factor: f32) {
    let factor = simd.splat(factor);
    map(
        simd,
        x,
        #[inline(always)]
        |x| simd.mul(x, factor),
    );
}

/// The whole groups that hold a range; none for nothing.
pub(super) fn groups(range: &Range<usize>) -> Range<usize> {
    if range.is_empty() {
        return range.clone();
    }
    range.start / GROUP * GROUP..range.end.next_multiple_of(GROUP)
}
