//! Norms and sums of rows.
//!
//! Statistics are sums in f64: exact to f32 at any width, and still no slower
//! than memory.

use super::Compute;
use super::share::for_each_part;
use super::simd::{Kernel, Simd};
use std::ops::Range;

/// Numbers added up side by side.
const LANES: usize = 16;

/// Elements of a task: a row of a small model is too little for one.
const TASK: usize = 1 << 13;

/// Numbers of a task in whole rows, of `len` in all: about [`TASK`], and as many in one as in the other.
fn task(len: usize, columns: usize) -> usize {
    (len / columns).div_ceil(len.div_ceil(TASK)) * columns
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of each row of x `[rows, width]`.
///
/// # Panics
/// When x and out differ in size, or weight or bias has not `width` numbers.
pub fn layer_norm(
    compute: &Compute,
    x: &[f32],
    width: usize,
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    assert!(bias.is_none_or(|bias| bias.len() == width), "bias [width]");
    norm(compute, x, Norm { width, weight, bias, eps, centred: true }, out);
}

/// `x / sqrt(mean(x²) + eps) * weight` of each row of x `[rows, width]`.
///
/// # Panics
/// When x and out differ in size, or weight has not `width` numbers.
pub fn rms_norm(compute: &Compute, x: &[f32], width: usize, weight: &[f32], eps: f32, out: &mut [f32]) {
    norm(compute, x, Norm { width, weight, bias: None, eps, centred: false }, out);
}

/// [`layer_norm`] in place: of each vector as wide as the weight, side by side in columns `part` of each
/// row of x `[rows, columns]`.
///
/// # Panics
/// When x has a row that is not whole, or weight or bias do not fit into the part.
pub fn layer_norm_part(
    compute: &Compute,
    x: &mut [f32],
    columns: usize,
    part: Range<usize>,
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
) {
    assert!(bias.is_none_or(|bias| bias.len() == weight.len()), "bias [width]");
    norm_part(compute, x, columns, part, Norm { width: weight.len(), weight, bias, eps, centred: true });
}

/// [`rms_norm`] in place, as [`layer_norm_part`] is.
///
/// # Panics
/// When x has a row that is not whole, or the weight does not fit into the part.
pub fn rms_norm_part(
    compute: &Compute,
    x: &mut [f32],
    columns: usize,
    part: Range<usize>,
    weight: &[f32],
    eps: f32,
) {
    let norm = Norm { width: weight.len(), weight, bias: None, eps, centred: false };
    norm_part(compute, x, columns, part, norm);
}

fn norm_part(compute: &Compute, x: &mut [f32], columns: usize, part: Range<usize>, norm: Norm) {
    assert!(part.end <= columns, "part of the columns");
    if x.is_empty() || norm.width == 0 {
        return;
    }
    assert_eq!(x.len() % columns, 0, "whole rows");
    assert_eq!(part.len() % norm.width, 0, "whole vectors");
    let size = task(x.len(), columns);
    for_each_part(compute, x, size, |_, x| {
        compute.isa().run(RowsInPlace { norm, columns, part: part.clone(), x });
    });
}

/// Some columns of some rows.
struct RowsInPlace<'a> {
    norm: Norm<'a>,
    columns: usize,
    part: Range<usize>,
    x: &'a mut [f32],
}

impl Kernel for RowsInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Norm { width, weight, bias, .. } = self.norm;
        for row in self.x.chunks_exact_mut(self.columns) {
            for vector in row[self.part.clone()].chunks_exact_mut(width) {
                let (mean, inverse) = self.norm.statistics(vector);
                let scaled = |x: f32, weight: f32| (f64::from(x) - mean) * inverse * f64::from(weight);
                let numbers = vector.iter_mut().zip(weight);
                match bias {
                    None => numbers.for_each(|(x, &weight)| *x = scaled(*x, weight) as f32),
                    Some(bias) => numbers.zip(bias).for_each(|((x, &weight), &bias)| {
                        *x = (scaled(*x, weight) + f64::from(bias)) as f32;
                    }),
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Norm<'a> {
    width: usize,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    eps: f32,
    /// Whether the mean is taken off.
    centred: bool,
}

impl Norm<'_> {
    /// What is taken off a row, and the factor of the rest.
    #[inline(always)]
    fn statistics(&self, x: &[f32]) -> (f64, f64) {
        let n = self.width as f64;
        let mean = if self.centred { sum(x, |x| x) / n } else { 0.0 };
        let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
        (mean, 1.0 / (variance + f64::from(self.eps)).sqrt())
    }
}

fn norm(compute: &Compute, x: &[f32], norm: Norm, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "x and out [rows, width]");
    assert_eq!(norm.weight.len(), norm.width, "weight [width]");
    if x.is_empty() || norm.width == 0 {
        return;
    }
    assert_eq!(x.len() % norm.width, 0, "whole rows");
    let size = task(x.len(), norm.width);
    for_each_part(compute, out, size, |part, out| {
        let x = &x[part * size..][..out.len()];
        compute.isa().run(Rows { norm, x, out });
    });
}

/// Some rows of a norm.
struct Rows<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Norm { width, weight, bias, .. } = self.norm;
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let (mean, inverse) = self.norm.statistics(x);
            let scaled = |x: f32, weight: f32| (f64::from(x) - mean) * inverse * f64::from(weight);
            let rows = out.iter_mut().zip(x).zip(weight);
            match bias {
                None => rows.for_each(|((out, &x), &weight)| *out = scaled(x, weight) as f32),
                Some(bias) => rows.zip(bias).for_each(|(((out, &x), &weight), &bias)| {
                    *out = (scaled(x, weight) + f64::from(bias)) as f32;
                }),
            }
        }
    }
}

/// Sum of `f` of each element, in f64.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (groups, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for group in groups {
        for (sum, &x) in sums.iter_mut().zip(group) {
            *sum += f(f64::from(x));
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f(f64::from(x))).sum::<f64>()
}

/// `out = a + b`, element by element.
///
/// # Panics
/// When sizes differ.
pub fn add(compute: &Compute, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert_eq!((a.len(), b.len()), (out.len(), out.len()), "a, b and out");
    for_each_part(compute, out, TASK, |part, out| {
        let from = part * TASK;
        let (a, b) = (&a[from..][..out.len()], &b[from..][..out.len()]);
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a + b;
        }
    });
}
