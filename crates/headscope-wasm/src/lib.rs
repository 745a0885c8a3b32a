//! A head's weights from its queries and keys, as a page computes them at each step to another head of a long text.
//!
//! Scores are in double precision. Queries and keys lie in panels of four, dimension by dimension, so that the 16 sums
//! of two panels stay in eight registers of two lanes. Rows are made a few at a time and copied out as they
//! come, so that the module's memory holds little more than one head's keys. There is no allocator and nothing that
//! can panic: the module has 4 KB.
//!
//! The instructions are WebAssembly's; elsewhere, for the tests, two numbers stand for a register.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(not(target_arch = "wasm32"))]
mod portable;

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32 as simd;
use core::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use portable as simd;

use simd::{
    f64x2_add, f64x2_div, f64x2_extract_lane, f64x2_mul, f64x2_pmax, f64x2_pmin, f64x2_splat, f64x2_sub,
    i64x2_add, i64x2_shl, i64x2_splat, v128,
};

/// Queries or keys that are worked on at once.
pub const PANEL: usize = 4;

/// What a panel of keys has of one dimension, or the scores of a query with its keys.
pub type Lanes = [v128; 2];

/// Lays vectors into panels, `[panel][dimension][4]`. The last one's missing vectors are zeros.
pub fn pack(vectors: &[f32], width: usize, panels: &mut [[f64; PANEL]]) {
    panels.fill([0.0; PANEL]);
    for (index, vector) in vectors.chunks_exact(width).enumerate() {
        let panel = panels.get_mut(index / PANEL * width..).unwrap_or_default();
        for (lanes, &value) in panel.iter_mut().zip(vector) {
            lanes[index % PANEL] = f64::from(value);
        }
    }
}

/// The products of queries with keys, both in panels: `[query][panel of keys]`.
pub fn dots(queries: &[[f64; PANEL]], keys: &[Lanes], width: usize, products: &mut [Lanes]) {
    let row = keys.len() / width;
    for (panel, keys) in keys.chunks_exact(width).enumerate() {
        // These keys stay in the first-level cache for all queries.
        for (queries, rows) in queries.chunks_exact(width).zip(products.chunks_exact_mut(PANEL * row)) {
            for (products, sums) in rows.chunks_exact_mut(row).zip(sums(queries, keys)) {
                if let Some(place) = products.get_mut(panel) {
                    *place = sums;
                }
            }
        }
    }
}

/// The products of a panel of queries with a panel of keys.
fn sums(queries: &[[f64; PANEL]], keys: &[Lanes]) -> [Lanes; PANEL] {
    let mut sums = [[f64x2_splat(0.0); 2]; PANEL];
    for (queries, keys) in queries.iter().zip(keys) {
        for (sums, &query) in sums.iter_mut().zip(queries) {
            for (sum, &key) in sums.iter_mut().zip(keys) {
                *sum = f64x2_add(*sum, f64x2_mul(f64x2_splat(query), key));
            }
        }
    }
    sums
}

/// What becomes of products before the softmax.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What products are multiplied with.
    pub scale: f64,
    /// The soft cap, if there is one.
    pub cap: Option<f64>,
    /// The score of what takes part in the softmax and is dropped; −∞ where nothing is.
    pub sink: f64,
}

/// Softmax of a query's products with some panels of keys, of which it sees a part. To the score of each key `added` is
/// added (−∞ for padding), and `distance` if anything is. Where nothing is seen, all weights are 0.
pub fn softmax(
    scores: &mut [Lanes],
    seen: Range<usize>,
    rule: Rule,
    added: &[Lanes],
    distance: &[[f32; PANEL]],
    weights: &mut [[f32; PANEL]],
) {
    let scale = f64x2_splat(rule.scale);
    for (scores, added) in scores.iter_mut().zip(added) {
        for (score, &added) in scores.iter_mut().zip(added) {
            let scaled = f64x2_mul(*score, scale);
            *score = f64x2_add(rule.cap.map_or(scaled, |cap| capped(scaled, cap)), added);
        }
    }
    for (scores, &[a, b, c, d]) in scores.iter_mut().zip(distance) {
        for (score, added) in scores.iter_mut().zip([[a, b], [c, d]]) {
            *score = f64x2_add(*score, simd::f64x2(f64::from(added[0]), f64::from(added[1])));
        }
    }
    hide(scores, 0..seen.start);
    hide(scores, seen.end..scores.len() * PANEL);

    let most =
        scores.as_flattened().iter().fold(f64x2_splat(rule.sink), |most, &score| f64x2_pmax(most, score));
    let most = halves(most).into_iter().fold(rule.sink, |most, half| if half > most { half } else { most });
    if most == f64::NEG_INFINITY {
        return weights.fill([0.0; PANEL]);
    }
    let (mut sum, most) = (f64x2_splat(0.0), f64x2_splat(most));
    for score in scores.as_flattened_mut() {
        *score = exp(f64x2_sub(*score, most));
        sum = f64x2_add(sum, *score);
    }
    let [sink, _] = halves(exp_apart(f64x2_sub(f64x2_splat(rule.sink), most)));
    let [even, odd] = halves(sum);
    let share = f64x2_splat(1.0 / (sink + even + odd));
    for (weights, scores) in weights.iter_mut().zip(&*scores) {
        let [[a, b], [c, d]] = scores.map(|power| halves(f64x2_mul(power, share)));
        *weights = [a as f32, b as f32, c as f32, d as f32];
    }
}

/// Gives keys the score of what is not seen.
fn hide(scores: &mut [Lanes], keys: Range<usize>) {
    const NOTHING: f64 = f64::NEG_INFINITY;
    for key in keys {
        let Some(score) = scores.as_flattened_mut().get_mut(key / 2) else { return };
        let [even, odd] = halves(*score);
        *score = if key % 2 == 0 { simd::f64x2(NOTHING, odd) } else { simd::f64x2(even, NOTHING) };
    }
}

fn halves(two: v128) -> [f64; 2] {
    [f64x2_extract_lane::<0>(two), f64x2_extract_lane::<1>(two)]
}

/// `cap · tanh(x / cap)`
fn capped(x: v128, cap: f64) -> v128 {
    let (one, two, cap) = (f64x2_splat(1.0), f64x2_splat(2.0), f64x2_splat(cap));
    let power = exp_apart(f64x2_div(f64x2_mul(two, x), cap));
    f64x2_mul(cap, f64x2_sub(one, f64x2_div(two, f64x2_add(one, power))))
}

/// The same where its 300 bytes are not worth repeating.
#[inline(never)]
fn exp_apart(x: v128) -> v128 {
    exp(x)
}

/// e^x to nine digits. What is above e^±700 is that: in the single precision of weights, nothing or all.
#[inline(always)]
fn exp(x: v128) -> v128 {
    use core::f64::consts::{LN_2, LOG2_E};
    /// What is added to this has no room for digits behind the point; those before it are its last bits.
    const ROUND: f64 = (3_u64 << 51) as f64;

    let x = f64x2_pmin(f64x2_pmax(x, f64x2_splat(-700.0)), f64x2_splat(700.0));
    let rounded = f64x2_add(f64x2_mul(x, f64x2_splat(LOG2_E)), f64x2_splat(ROUND));
    let whole = f64x2_sub(rounded, f64x2_splat(ROUND));
    let rest = f64x2_sub(x, f64x2_mul(whole, f64x2_splat(LN_2)));
    let series = SERIES
        .iter()
        .fold(f64x2_splat(0.0), |sum, &factor| f64x2_add(f64x2_mul(sum, rest), f64x2_splat(factor)));
    let exponent = i64x2_add(i64x2_shl(rounded, 52), i64x2_splat(1.0_f64.to_bits() as i64));
    f64x2_mul(series, exponent)
}

/// 1 / n! from n = 8 on downwards: enough for what is at most half of ln 2.
const SERIES: [f64; 9] =
    [1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0, 1.0];

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn powers_have_nine_digits_and_end_at_700() {
        for i in -70_000..=70_000 {
            let x = f64::from(i) / 100.0;
            assert!((exp([x; 2])[0] / x.exp() - 1.0).abs() < 1e-9, "{x}");
        }
        let ends = [f64::NEG_INFINITY, f64::INFINITY];
        assert_eq!(exp(ends), exp([-700.0, 700.0]));
        assert!(exp([f64::NAN; 2])[0].is_nan());
    }
}
