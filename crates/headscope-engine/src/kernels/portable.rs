//! Plain Rust for every other machine: arrays that the compiler maps to what it has.
#![allow(unsafe_code)] // Reads and writes through the pointers that the trait passes.

use super::simd::{Kernel, Simd};
use half::{bf16, f16};

/// Four lanes, as SSE2, NEON and wasm's simd128 have.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// Runs a kernel compiled for the build's target.
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

type Lanes = [f32; 4];

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> Lanes {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Portable {
    type Vector = Lanes;
    const LANES: usize = 4;
    // SSE2 has 16 registers: 12 sums, three columns of weights, one number of the input.
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 3;

    #[inline(always)]
    fn zero(self) -> Lanes {
        [0.0; 4]
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        [x; 4]
    }

    #[inline(always)]
    fn fma(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| a[i] + b[i])
    }

    /// Rounds twice: without an instruction for it, `f32::mul_add` is a slow call.
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Lanes {
        // SAFETY: the caller answers for the pointer.
        unsafe { from.cast::<Lanes>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Lanes) {
        // SAFETY: the caller answers for the pointer.
        unsafe { to.cast::<Lanes>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Lanes {
        // SAFETY: the caller answers for the pointer.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        each(|i| f16::from_bits(bits[i]).to_f32())
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Lanes {
        // SAFETY: the caller answers for the pointer.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        each(|i| bf16::from_bits(bits[i]).to_f32())
    }

    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
}
