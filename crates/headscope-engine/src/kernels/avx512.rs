//! AVX-512: 32 registers of 16 lanes.
#![allow(unsafe_code)] // Intrinsics, which this type proves to exist.

use super::simd::{Kernel, Simd};
use std::arch::asm;
use std::arch::x86_64::*;

/// The proof that this machine has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The machine has it.
    pub(super) unsafe fn new() -> Avx512 {
        Avx512(())
    }
}

/// Runs a kernel compiled for AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

/// See [`Simd::pin`].
#[inline]
#[target_feature(enable = "avx512f")]
fn pin(mut x: __m512) -> __m512 {
    // SAFETY: there is no instruction in it.
    unsafe { asm!("/* {0} */", inout(zmm_reg) x, options(nostack, preserves_flags)) };
    x
}

impl Simd for Avx512 {
    type Vector = __m512;
    const LANES: usize = 16;
    // 24 sums, three columns of weights and one number of the input: 28 registers. Eleven loads
    // for 24 multiply-adds are half of what the load units could do, and each weight that was
    // loaded serves eight rows.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const LOOKS_FAR: bool = true;
    const READS_16: bool = false;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves all that `run` is compiled with.
        unsafe { run(kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn pin(self, x: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { pin(x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn select_less(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // Asked the other way round, so that a `yes` of zero becomes part of the
        // instruction that computes `no`.
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(a, b), yes, no) }
    }

    #[inline(always)]
    fn merge_bits(self, mask: u32, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe {
            let mask = _mm512_set1_epi32(mask.cast_signed());
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            // The truth table of `mask ? a : b`.
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xca>(mask, a, b))
        }
    }

    #[inline(always)]
    fn power_of_two(self, x: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(x));
            let one = _mm512_castps_si512(_mm512_set1_ps(1.0));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, one))
        }
    }

    type Sums = [__m512d; 2];

    #[inline(always)]
    fn sums(self) -> [__m512d; 2] {
        // SAFETY: `self` proves AVX-512F.
        unsafe { [_mm512_setzero_pd(); 2] }
    }

    #[inline(always)]
    fn accumulate(self, sums: [__m512d; 2], x: __m512) -> [__m512d; 2] {
        // SAFETY: `self` proves AVX-512 F and DQ.
        unsafe {
            let low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
            let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x));
            [_mm512_add_pd(sums[0], low), _mm512_add_pd(sums[1], high)]
        }
    }

    #[inline(always)]
    fn total(self, sums: [__m512d; 2]) -> f64 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_reduce_add_pd(_mm512_add_pd(sums[0], sums[1])) }
    }

    #[inline(always)]
    fn largest(self, x: __m512) -> f32 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_reduce_max_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F; the caller answers for the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m512) {
        // SAFETY: `self` proves AVX-512F; the caller answers for the pointer.
        unsafe { _mm512_storeu_ps(to, x) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m512 {
        // SAFETY: `self` proves AVX-512F; the caller answers for the pointer.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m512 {
        // SAFETY: `self` proves AVX-512F; the caller answers for the pointer.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn load_quads(self, places: [*const f32; 4]) -> __m512 {
        // SAFETY: `self` proves AVX-512F; the caller answers for the places.
        unsafe {
            let x = _mm512_castps128_ps512(_mm_loadu_ps(places[0]));
            let x = _mm512_insertf32x4::<1>(x, _mm_loadu_ps(places[1]));
            let x = _mm512_insertf32x4::<2>(x, _mm_loadu_ps(places[2]));
            _mm512_insertf32x4::<3>(x, _mm_loadu_ps(places[3]))
        }
    }

    #[inline(always)]
    fn turn_quads(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        // SAFETY: `self` proves AVX-512F.
        unsafe {
            let (ab_low, ab_high) =
                (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(a, b)));
            let (cd_low, cd_high) =
                (_mm512_castps_pd(_mm512_unpacklo_ps(c, d)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d)));
            [
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high)),
            ]
        }
    }

    #[inline(always)]
    fn prefetch(self, from: *const u8) {
        // SAFETY: a prefetch reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    fn prefetch_first(self, from: *const u8) {
        // SAFETY: a prefetch reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    fn prefetch_to_write(self, to: *const u8) {
        // SAFETY: a prefetch reads nothing that the program could see, and a processor that
        // does not know this one does nothing.
        unsafe { asm!("prefetchw [{}]", in(reg) to, options(nostack, preserves_flags, readonly)) }
    }

    #[inline(always)]
    fn shift_exponent(self, x: __m512, shifted: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_castps_si512(x)))
        }
    }

    #[inline(always)]
    unsafe fn accumulate_from(self, sums: [__m512d; 2], from: *const f32) -> [__m512d; 2] {
        // SAFETY: `self` proves AVX-512F; the caller answers for the pointer.
        unsafe {
            let low = _mm512_cvtps_pd(_mm256_loadu_ps(from));
            let high = _mm512_cvtps_pd(_mm256_loadu_ps(from.add(8)));
            [_mm512_add_pd(sums[0], low), _mm512_add_pd(sums[1], high)]
        }
    }
}
