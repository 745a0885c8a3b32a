//! Plain Rust for every other machine: arrays that the compiler maps to what it has.
#![allow(unsafe_code)] // Reads and writes through the pointers that the trait passes.

use super::simd::{Kernel, Simd};

/// Four lanes, as SSE2, NEON and wasm's simd128 have.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// Runs a kernel compiled for the build's target.
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

type Lanes = [f32; 4];

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> Lanes {
    [f(0), f(1), f(2), f(3)]
}

/// Half precision as f32, without a branch.
///
/// The bits moved into place mean a number 2^112 times too small, subnormals
/// included; the multiplication is exact. Infinity and NaN keep an exponent of ones.
#[inline(always)]
fn widen_f16(bits: u16) -> f32 {
    let scale = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * scale).to_bits();
    let special = magnitude | 0x7f80_0000;
    let chosen = if bits & 0x7c00 == 0x7c00 { special } else { finite };
    f32::from_bits(chosen | u32::from(bits & 0x8000) << 16)
}

impl Simd for Portable {
    type Vector = Lanes;
    const LANES: usize = 4;
    // SSE2 has 16 registers: 12 sums, two columns of weights, two numbers of the input.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;
    const LOOKS_FAR: bool = false;
    const READS_16: bool = false;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        run(kernel)
    }

    #[inline(always)]
    fn zero(self) -> Lanes {
        [0.0; 4]
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        [x; 4]
    }

    /// Rounds twice: where no instruction does it, `f32::mul_add` is a slow call.
    #[inline(always)]
    fn fma(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn pin(self, x: Lanes) -> Lanes {
        x
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn max(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn min(self, a: Lanes, b: Lanes) -> Lanes {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn select_less(self, a: Lanes, b: Lanes, yes: Lanes, no: Lanes) -> Lanes {
        each(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn merge_bits(self, mask: u32, a: Lanes, b: Lanes) -> Lanes {
        each(|i| f32::from_bits(a[i].to_bits() & mask | b[i].to_bits() & !mask))
    }

    #[inline(always)]
    fn power_of_two(self, x: Lanes) -> Lanes {
        each(|i| f32::from_bits((x[i].to_bits() << 23).wrapping_add(1.0f32.to_bits())))
    }

    type Sums = [f64; 4];

    #[inline(always)]
    fn sums(self) -> [f64; 4] {
        [0.0; 4]
    }

    #[inline(always)]
    fn accumulate(self, sums: [f64; 4], x: Lanes) -> [f64; 4] {
        let sum = |i: usize| sums[i] + f64::from(x[i]);
        [sum(0), sum(1), sum(2), sum(3)]
    }

    #[inline(always)]
    fn total(self, sums: [f64; 4]) -> f64 {
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    }

    #[inline(always)]
    fn largest(self, x: Lanes) -> f32 {
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        larger(larger(x[0], x[2]), larger(x[1], x[3]))
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
        each(|i| widen_f16(bits[i]))
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Lanes {
        // SAFETY: the caller answers for the pointer.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        each(|i| f32::from_bits(u32::from(bits[i]) << 16))
    }

    #[inline(always)]
    unsafe fn load_quads(self, places: [*const f32; 4]) -> Lanes {
        // SAFETY: the caller answers for the places, of which a register has one.
        unsafe { self.load(places[0]) }
    }

    #[inline(always)]
    fn turn_quads(self, rows: [Lanes; 4]) -> [Lanes; 4] {
        let column = |i: usize| [rows[0][i], rows[1][i], rows[2][i], rows[3][i]];
        [column(0), column(1), column(2), column(3)]
    }

    #[inline(always)]
    fn prefetch(self, _: *const u8) {}

    fn prefetch_first(self, _: *const u8) {}

    fn prefetch_to_write(self, _: *const u8) {}

    #[inline(always)]
    fn shift_exponent(self, x: Lanes, shifted: Lanes) -> Lanes {
        each(|i| f32::from_bits((shifted[i].to_bits() << 23).wrapping_add(x[i].to_bits())))
    }

    #[inline(always)]
    unsafe fn accumulate_from(self, sums: [f64; 4], from: *const f32) -> [f64; 4] {
        // SAFETY: the caller answers for the pointer.
        self.accumulate(sums, unsafe { self.load(from) })
    }
}
