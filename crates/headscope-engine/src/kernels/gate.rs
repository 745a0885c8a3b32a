//! The product of two halves of a row, one of them through an activation.

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
