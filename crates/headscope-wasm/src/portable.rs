//! The instructions of `core::arch::wasm32` that are used here, for any machine.
#![allow(missing_docs, non_camel_case_types)]

pub type v128 = [f64; 2];

pub fn f64x2(a: f64, b: f64) -> v128 {
    [a, b]
}

pub fn f64x2_splat(x: f64) -> v128 {
    [x; 2]
}

pub fn f64x2_extract_lane<const LANE: usize>(a: v128) -> f64 {
    a[LANE]
}

pub fn f64x2_add(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| a + b)
}

pub fn f64x2_sub(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| a - b)
}

pub fn f64x2_mul(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| a * b)
}

pub fn f64x2_div(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| a / b)
}

pub fn f64x2_pmin(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| if b < a { b } else { a })
}

pub fn f64x2_pmax(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| if a < b { b } else { a })
}

pub fn i64x2_splat(x: i64) -> v128 {
    [f64::from_bits(x as u64); 2]
}

pub fn i64x2_add(a: v128, b: v128) -> v128 {
    both(a, b, |a, b| f64::from_bits(a.to_bits().wrapping_add(b.to_bits())))
}

pub fn i64x2_shl(a: v128, bits: u32) -> v128 {
    a.map(|a| f64::from_bits(a.to_bits() << bits))
}

fn both(a: v128, b: v128, of: impl Fn(f64, f64) -> f64) -> v128 {
    [of(a[0], b[0]), of(a[1], b[1])]
}
