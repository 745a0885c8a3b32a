//! Functions of one number, written so that loops over them become vector code:
//! no branch, no table, no call.
//!
//! Polynomials are minimax fits (Remez exchange in 40 digits). Errors, in units
//! in the last place, are the largest over dense sweeps; `tests/kernels_math.rs`
//! holds them to their bounds.

use super::linear::Activation;
use super::simd::{Kernel, Simd};

/// `1.5 * 2^23`: adding it rounds to an integer, found in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has 10 bits, so that its products with integers are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Below, exp(x) has no normal f32 and counts as zero.
const EXP_MIN: f32 = -87.336_54;
/// Above, the result is infinite. (f32 itself reaches to 88.72.)
const EXP_MAX: f32 = 88.375;

/// `exp(x)` within 1 ulp: `2^n exp(r)` with |r| ≤ ln(2)/2.
///
/// The polynomial is off by 3.2e-9, a twentieth of an ulp.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: f32) -> f32 {
    let x = if x > EXP_MAX { EXP_MAX + 1.0 } else { x };
    let bounded = if x < EXP_MIN { EXP_MIN } else { x };
    let shifted = simd.mul_add(bounded, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = simd.mul_add(n, -LN2_HIGH, bounded);
    let r = simd.mul_add(n, -LN2_LOW, r);
    let q = simd.mul_add(r, 0.001_395_060_3, 0.008_368_953);
    let q = simd.mul_add(r, q, 0.041_666_204);
    let q = simd.mul_add(r, q, 0.166_665_18);
    let q = simd.mul_add(r, q, 0.5);
    let e = 1.0 + simd.mul_add(r * r, q, r);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let y = e * power;
    if x < EXP_MIN { 0.0 } else { y }
}

/// `x Φ(x)`, within 2 ulp over all numbers whose result is normal.
///
/// `x Φ(x) = max(x, 0) - t Φ(-t)` with `t = |x|`, where `Φ(-t) = exp(-t²/2) h(t)`
/// has no cancellation: h is smooth, a polynomial of degree 9 in `4 / (4 + t)`
/// that is off by 1.2e-8 of its value up to t = 13.3, beyond which exp is zero.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: f32) -> f32 {
    let t = x.abs();
    // t² in two parts, since exp turns an error of it into a relative one: the
    // square of the upper 12 bits is exact.
    let high = f32::from_bits(t.to_bits() & 0xffff_f000);
    let low = (t - high) * (t + high);
    let u = 4.0 / (4.0 + t);
    let h = simd.mul_add(u, 0.034_691_006, -0.200_201_76);
    let h = simd.mul_add(u, h, 0.404_435_63);
    let h = simd.mul_add(u, h, -0.346_034_05);
    let h = simd.mul_add(u, h, 0.314_948_23);
    let h = simd.mul_add(u, h, -0.026_022_688);
    let h = simd.mul_add(u, h, 0.123_532_97);
    let h = simd.mul_add(u, h, 0.094_393_72);
    let h = simd.mul_add(u, h, 0.100_281_29);
    let h = simd.mul_add(u, h, -2.435_828e-5);
    let e = exp(simd, -0.5 * high * high);
    let e = simd.mul_add(e, -0.5 * low, e);
    let tail = t * h * e;
    let relu = if x > 0.0 { x } else { 0.0 };
    // A NaN is no greater than zero: it comes through the tail.
    relu - tail
}

/// `1 / (1 + exp(-x))`, within 2 ulp where the result is normal.
#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: f32) -> f32 {
    1.0 / (1.0 + exp(simd, -x))
}

/// Hyperbolic tangent, within 2 ulp: a polynomial near zero, where the other
/// form cancels.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: f32) -> f32 {
    let t = x.abs();
    let far = 1.0 - 2.0 / (1.0 + exp(simd, 2.0 * t));
    let y = x * x;
    let p = simd.mul_add(y, 0.002_147_753_8, -0.008_182_937);
    let p = simd.mul_add(y, p, 0.021_703_088);
    let p = simd.mul_add(y, p, -0.053_947_23);
    let p = simd.mul_add(y, p, 0.133_332_1);
    let p = simd.mul_add(y, p, -0.333_333_3);
    let near = simd.mul_add(x * y, p, x);
    if t < 0.625 { near } else { far.copysign(x) }
}

/// `x (1 + tanh(√(2/π)(x + 0.044715 x³))) / 2`, as `x sigmoid(2 …)`, which does not cancel.
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: f32) -> f32 {
    const A: f32 = 1.595_769; // 2 √(2/π)
    const B: f32 = 0.071_354_814; // 0.044715 times as much
    let u = x * simd.mul_add(x * x, B, A);
    x * sigmoid(simd, u)
}

/// An activation of every element of a slice, in place.
pub(super) struct Activate<'a> {
    pub(super) activation: Activation,
    pub(super) x: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let x = self.x;
        match self.activation {
            Activation::Gelu => map(
                x,
                #[inline(always)]
                |x| gelu(simd, x),
            ),
            Activation::GeluTanh => map(
                x,
                #[inline(always)]
                |x| gelu_tanh(simd, x),
            ),
            Activation::QuickGelu => map(
                x,
                #[inline(always)]
                |x| x * sigmoid(simd, 1.702 * x),
            ),
            Activation::Silu => map(
                x,
                #[inline(always)]
                |x| x * sigmoid(simd, x),
            ),
            Activation::Relu => map(
                x,
                #[inline(always)]
                |x| if x < 0.0 { 0.0 } else { x },
            ),
            Activation::Tanh => map(
                x,
                #[inline(always)]
                |x| tanh(simd, x),
            ),
            Activation::Sigmoid => map(
                x,
                #[inline(always)]
                |x| sigmoid(simd, x),
            ),
        }
    }
}

/// Applies `f` to every element, sixteen at a time while there are so many.
#[inline(always)]
pub(super) fn map(x: &mut [f32], f: impl Fn(f32) -> f32) {
    let (sixteens, rest) = x.as_chunks_mut::<16>();
    for sixteen in sixteens {
        for x in sixteen {
            *x = f(*x);
        }
    }
    for x in rest {
        *x = f(*x);
    }
}
