//! Functions of one number, a register at a time: no branch, no table.
//!
//! Polynomials are minimax fits (Remez exchange in 40 digits), highest power
//! first. Errors are the largest over dense sweeps, in units in the last place;
//! `tests/kernels_math.rs` holds the functions to them.

use super::linear::Activation;
use super::simd::{Kernel, Simd};

/// `1.5 * 2^23`: adding it rounds to an integer, found in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has 10 bits, so that its products with integers are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Below, exp(x) has no normal f32 and counts as zero.
const EXP_MIN: f32 = -87.336_54;

/// Above, exp(x) counts as infinite: `2^n` is, for the n = 128 that `EXP_OVER`
/// rounds to. (f32 itself reaches to 88.72.)
const EXP_MAX: f32 = 88.375;
const EXP_OVER: f32 = 88.6;

const SIGN: u32 = 1 << 31;

/// A polynomial in `x`.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Vector, coefficients: [f32; N]) -> S::Vector {
    let mut y = simd.splat(coefficients[0]);
    for c in &coefficients[1..] {
        y = simd.fma(x, y, simd.splat(*c));
    }
    y
}

/// `exp(x)` within 1 ulp.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let (min, over) = (simd.splat(EXP_MIN), simd.splat(EXP_OVER));
    let bounded = simd.max(min, simd.select_less(simd.splat(EXP_MAX), x, over, x));
    simd.select_less(x, min, simd.zero(), exp_of_sum(simd, bounded, simd.zero()))
}

/// `exp(x + small)` within 1 ulp, as if x had more digits, for x from -88 to 88 and |small| ≤ 0.05; near -88,
/// where it is not normal any more, about that or zero.
///
/// It is `2^n exp(r)` with |r| ≤ ln(2)/2.
#[inline(always)]
fn exp_of_sum<S: Simd>(simd: S, x: S::Vector, small: S::Vector) -> S::Vector {
    let round = simd.splat(ROUND);
    let shifted = simd.fma(x, simd.splat(std::f32::consts::LOG2_E), round);
    let n = simd.sub(shifted, round);
    let r = simd.fma(n, simd.splat(-LN2_HIGH), x);
    let r = simd.add(simd.fma(n, simd.splat(-LN2_LOW), r), small);
    simd.mul(exp_of_rest(simd, r), simd.power_of_two(shifted))
}

/// Below, a weight counts as zero: 2^-125 of the largest of its row, the last power of two
/// of which `exp(r)` times it, which may be 0.7 of it, is still a normal number.
const WEIGHT_MIN: f32 = -86.64;

/// `exp(x)` within 1 ulp for x ≤ 88, and zero below [`WEIGHT_MIN`], -inf included.
///
/// [`exp_of_sum`] with less to do: no bounds, since what is below becomes zero whatever was
/// computed for it, and instead of a product with `2^n` one addition to the exponent.
#[inline(always)]
pub(super) fn exp_of_difference<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let round = simd.splat(ROUND);
    let shifted = simd.fma(x, simd.splat(std::f32::consts::LOG2_E), round);
    let n = simd.sub(shifted, round);
    let r = simd.fma(n, simd.splat(-LN2_HIGH), x);
    let r = simd.fma(n, simd.splat(-LN2_LOW), r);
    let e = simd.shift_exponent(exp_of_rest(simd, r), shifted);
    simd.select_less(x, simd.splat(WEIGHT_MIN), simd.zero(), e)
}

/// `exp(r)` for |r| ≤ ln(2)/2, by a polynomial that is off by 3.2e-9, a twentieth of an ulp.
#[inline(always)]
fn exp_of_rest<S: Simd>(simd: S, r: S::Vector) -> S::Vector {
    let q = [0.001_395_060_3, 0.008_368_953, 0.041_666_204, 0.166_665_18, 0.5];
    let q = polynomial(simd, r, q);
    simd.add(simd.splat(1.0), simd.fma(simd.mul(r, r), q, r))
}

#[inline(always)]
fn abs<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    simd.merge_bits(!SIGN, x, simd.zero())
}

/// `x Φ(x)`, within 1.6 ulp above zero and 4 ulp below, over all numbers whose result is normal.
///
/// Near zero it is `x / 2 + x² P(x²)`, where P is off by 2.4e-9. Elsewhere it is
/// `max(x, 0) - t Φ(-t)` with `t = |x|`: no cancellation, however far out. There
/// `Φ(-t) = exp(-t²/2) h(t)`, and `h(t) (2.5 + t)` is so flat that a polynomial
/// of degree 9 in `s = t / (2.5 + t)` is off by 1.5e-8 of it up to t = 13.3, where
/// exp ends. So `t h(t)` is `s` times that polynomial.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let p = [0.000_102_940_58, -0.001_181_285_1, 0.009_972_349, -0.066_490_29, 0.398_942_3];
    let p = polynomial(simd, simd.mul(x, x), p);
    let near = simd.mul(x, simd.fma(x, p, simd.splat(0.5)));

    let t = abs(simd, x);
    // Where exp(-t²/2) is zero. A NaN stays.
    let bounded = simd.min(simd.splat(13.25), t);
    let s = simd.div(bounded, simd.add(simd.splat(2.5), bounded));
    let f = [
        -0.079_760_9,
        0.280_018_36,
        -0.314_643_6,
        0.139_968_67,
        -0.151_285_03,
        0.056_706_456,
        0.291_703_6,
        0.169_628,
        -1.243_393_4,
        1.25,
    ];
    let f = polynomial(simd, s, f);
    // t²/2 in two parts, since exp turns an error of it into a relative one: the
    // square of the upper 12 bits is exact.
    let half = simd.mul(simd.splat(-0.5), bounded);
    let upper = |x| simd.merge_bits(0xffff_f000, x, simd.zero());
    let (high, high_half) = (upper(bounded), upper(half));
    let low = simd.mul(simd.sub(bounded, high), simd.add(half, high_half));
    let e = exp_of_sum(simd, simd.mul(high, high_half), low);
    let tail = simd.mul(s, simd.mul(e, f));
    let outer = simd.sub(simd.max(simd.zero(), x), tail);
    simd.select_less(t, simd.splat(0.75), near, outer)
}

/// `1 / (1 + exp(-x))`, within 2 ulp where the result is normal.
#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    simd.div(one, simd.add(one, exp(simd, simd.sub(simd.zero(), x))))
}

/// Hyperbolic tangent, within 2 ulp: near zero a polynomial, since
/// `1 - 2 / (1 + exp(2 x))` cancels there.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    let t = abs(simd, x);
    let far = simd.div(simd.splat(2.0), simd.add(one, exp(simd, simd.add(t, t))));
    let far = simd.merge_bits(SIGN, x, simd.sub(one, far));
    let y = simd.mul(x, x);
    let p = [0.002_147_753_8, -0.008_182_937, 0.021_703_088, -0.053_947_23, 0.133_332_1, -0.333_333_3];
    let near = simd.fma(simd.mul(x, y), polynomial(simd, y, p), x);
    simd.select_less(t, simd.splat(0.625), near, far)
}

/// `x (1 + tanh(√(2/π)(x + 0.044715 x³))) / 2`, as `x sigmoid(2 …)`, which does not cancel.
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    const A: f32 = 1.595_769; // 2 √(2/π)
    const B: f32 = 0.071_354_814; // 0.044715 times as much
    let u = simd.fma(simd.mul(x, x), simd.splat(B), simd.splat(A));
    simd.mul(x, sigmoid(simd, simd.mul(x, u)))
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
        map(
            simd,
            self.x,
            #[inline(always)]
            |x| activate(simd, self.activation, x),
        );
    }
}

/// An activation of each lane.
#[inline(always)]
pub(super) fn activate<S: Simd>(simd: S, activation: Activation, x: S::Vector) -> S::Vector {
    match activation {
        Activation::Gelu => gelu(simd, x),
        Activation::GeluTanh => gelu_tanh(simd, x),
        Activation::QuickGelu => simd.mul(x, sigmoid(simd, simd.mul(simd.splat(1.702), x))),
        Activation::Silu => simd.mul(x, sigmoid(simd, x)),
        Activation::Relu => simd.max(simd.zero(), x), // a NaN stays
        Activation::Tanh => tanh(simd, x),
        Activation::Sigmoid => sigmoid(simd, x),
    }
}

/// Applies `f` to every element.
#[inline(always)]
pub(super) fn map<S: Simd>(simd: S, x: &mut [f32], f: impl Fn(S::Vector) -> S::Vector) {
    let mut registers = x.chunks_exact_mut(S::LANES);
    for register in &mut registers {
        store(simd, register, f(load(simd, register)));
    }
    let rest = registers.into_remainder();
    if !rest.is_empty() {
        let mut lanes = [0.0; 16];
        lanes[..rest.len()].copy_from_slice(rest);
        let register = &mut lanes[..S::LANES];
        store(simd, register, f(load(simd, register)));
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

/// Reads a register from the beginning of a slice.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> S::Vector {
    assert!(from.len() >= S::LANES);
    // SAFETY: the slice holds a register.
    #[allow(unsafe_code)]
    unsafe {
        simd.load(from.as_ptr())
    }
}

/// Writes a register to the beginning of a slice.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, to: &mut [f32], x: S::Vector) {
    assert!(to.len() >= S::LANES);
    // SAFETY: the slice has room for a register.
    #[allow(unsafe_code)]
    unsafe {
        simd.store(to.as_mut_ptr(), x);
    }
}
