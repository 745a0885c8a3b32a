//! Products of two halves of a row, one of them through an activation.

use super::Compute;
use super::linear::Activation;
use super::math::Activate;
use super::share::for_each_part;
use super::simd::{Kernel, Simd};

/// Elements of a task: what it reads and writes stays in the first-level cache.
const TASK: usize = 1 << 12;

/// `out = activation(gate) * up`: x holds rows `[gate, up]` of `2 * width`, out rows of `width`.
///
/// # Panics
/// When x is not twice as large as out, or there is a row that is not whole.
pub fn gate(compute: &Compute, x: &[f32], width: usize, activation: Activation, out: &mut [f32]) {
    assert_eq!(x.len(), 2 * out.len(), "x [rows, 2 width] and out [rows, width]");
    if out.is_empty() {
        return;
    }
    assert_eq!(out.len() % width, 0, "whole rows");
    let size = width * (TASK / width).max(1);
    for_each_part(compute, out, size, |part, out| {
        let x = &x[2 * part * size..][..2 * out.len()];
        compute.isa().run(Gate { x, width, activation, out });
    });
}

/// Some rows.
struct Gate<'a> {
    x: &'a [f32],
    width: usize,
    activation: Activation,
    out: &'a mut [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (width, activation) = (self.width, self.activation);
        for (x, out) in self.x.chunks_exact(2 * width).zip(self.out.chunks_exact_mut(width)) {
            let (gate, up) = x.split_at(width);
            out.copy_from_slice(gate);
            Activate { activation, x: &mut *out }.run(simd);
            out.iter_mut().zip(up).for_each(|(out, up)| *out *= up);
        }
    }
}

/// `out = (up + 1) gate sigmoid(alpha gate)`, where the gate is cut off above `limit`, and up on both
/// sides: x holds rows of pairs `gate, up`, out one number for each.
///
/// # Panics
/// When x is not twice as large as out.
pub fn clamped_gate(compute: &Compute, x: &[f32], alpha: f32, limit: f32, out: &mut [f32]) {
    assert_eq!(x.len(), 2 * out.len(), "x [rows, width, 2] and out [rows, width]");
    for_each_part(compute, out, TASK, |part, out| {
        let (pairs, _) = x[2 * part * TASK..][..2 * out.len()].as_chunks::<2>();
        compute.isa().run(ClampedGate { pairs, alpha, limit, out });
    });
}

/// Some pairs.
struct ClampedGate<'a> {
    pairs: &'a [[f32; 2]],
    alpha: f32,
    limit: f32,
    out: &'a mut [f32],
}

impl Kernel for ClampedGate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ClampedGate { pairs, alpha, limit, out } = self;
        out.iter_mut().zip(pairs).for_each(|(out, [gate, _])| *out = alpha * gate.min(limit));
        Activate { activation: Activation::Sigmoid, x: &mut *out }.run(simd);
        for (out, [gate, up]) in out.iter_mut().zip(pairs) {
            *out *= gate.min(limit) * (up.clamp(-limit, limit) + 1.0);
        }
    }
}
