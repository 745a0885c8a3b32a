//! AVX2 with FMA and F16C: 16 registers of 8 lanes.
#![allow(unsafe_code)] // Intrinsics, which this type proves to exist.

use super::simd::{Kernel, Simd};
use std::arch::asm;
use std::arch::x86_64::*;

/// The proof that this machine has AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Runs a kernel compiled for AVX2.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// See [`Simd::pin`].
#[inline]
#[target_feature(enable = "avx")]
fn pin(mut x: __m256) -> __m256 {
    // SAFETY: there is no instruction in it.
    unsafe { asm!("/* {0} */", inout(ymm_reg) x, options(nostack, preserves_flags)) };
    x
}

/// Eight numbers of 16 bits, which both halves of a register hold, as the upper halves of eight of 32.
///
/// One shuffle, where widening and shifting are two instructions. Its mask stays in memory: in a register, where the
/// compiler would keep it, it takes the place of a sum.
#[inline]
#[target_feature(enable = "avx2")]
fn to_upper_halves(mut both: __m256i) -> __m256i {
    #[repr(align(32))]
    struct Bytes(#[allow(dead_code)] [i8; 32]);
    static HALVES: Bytes = Bytes([
        -1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7, //
        -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15,
    ]);
    // SAFETY: it reads HALVES alone.
    unsafe {
        asm!(
            "vpshufb {0}, {0}, [rip + {1}]", inout(ymm_reg) both, sym HALVES,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    both
}

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;
    // 12 sums, three columns of weights and one number of the input: all 16 registers. Seven loads for 12
    // multiply-adds, where 6 x 2 needs eight, and 16 rows are four tiles instead of 6 + 5 + 5.
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 3;
    // A multiplication takes twice as many instructions as with AVX-512, which leaves too few for requests: they took
    // a tenth of the time on AMD Zen 3, whose own prefetcher finds rows of the input.
    const LOOKS_FAR: bool = false;
    // The instructions that widen 16-bit numbers hardly keep multiplications waiting on AMD Zen 3, and a store does.
    const READS_16: bool = true;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves all that `run` is compiled with.
        unsafe { run(kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn pin(self, x: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { pin(x) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn select_less(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    }

    #[inline(always)]
    fn merge_bits(self, mask: u32, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX.
        unsafe {
            let mask = _mm256_set1_ps(f32::from_bits(mask));
            _mm256_or_ps(_mm256_and_ps(mask, a), _mm256_andnot_ps(mask, b))
        }
    }

    #[inline(always)]
    fn power_of_two(self, x: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
            let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, one))
        }
    }

    type Sums = [__m256d; 2];

    #[inline(always)]
    fn sums(self) -> [__m256d; 2] {
        // SAFETY: `self` proves AVX.
        unsafe { [_mm256_setzero_pd(); 2] }
    }

    #[inline(always)]
    fn accumulate(self, sums: [__m256d; 2], x: __m256) -> [__m256d; 2] {
        // SAFETY: `self` proves AVX.
        unsafe {
            let low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
            let high = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x));
            [_mm256_add_pd(sums[0], low), _mm256_add_pd(sums[1], high)]
        }
    }

    #[inline(always)]
    fn total(self, sums: [__m256d; 2]) -> f64 {
        let mut lanes = [0.0; 4];
        // SAFETY: `self` proves AVX; there is room for four lanes.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), _mm256_add_pd(sums[0], sums[1])) }
        (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    }

    #[inline(always)]
    fn largest(self, x: __m256) -> f32 {
        // SAFETY: `self` proves AVX.
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: `self` proves AVX; the caller answers for the pointer.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m256) {
        // SAFETY: `self` proves AVX; the caller answers for the pointer.
        unsafe { _mm256_storeu_ps(to, x) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m256 {
        // SAFETY: `self` proves F16C; the caller answers for the pointer.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m256 {
        // SAFETY: `self` proves AVX2; the caller answers for the pointer.
        unsafe {
            let both = to_upper_halves(_mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast())));
            _mm256_castsi256_ps(both)
        }
    }

    #[inline(always)]
    unsafe fn load_quads(self, places: [*const f32; 4]) -> __m256 {
        // SAFETY: `self` proves AVX; the caller answers for the places.
        unsafe {
            let x = _mm256_castps128_ps256(_mm_loadu_ps(places[0]));
            _mm256_insertf128_ps::<1>(x, _mm_loadu_ps(places[1]))
        }
    }

    #[inline(always)]
    fn turn_quads(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: `self` proves AVX.
        unsafe {
            let (ab_low, ab_high) =
                (_mm256_castps_pd(_mm256_unpacklo_ps(a, b)), _mm256_castps_pd(_mm256_unpackhi_ps(a, b)));
            let (cd_low, cd_high) =
                (_mm256_castps_pd(_mm256_unpacklo_ps(c, d)), _mm256_castps_pd(_mm256_unpackhi_ps(c, d)));
            [
                _mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low)),
                _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high)),
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
    fn shift_exponent(self, x: __m256, shifted: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_castps_si256(x)))
        }
    }

    #[inline(always)]
    unsafe fn accumulate_from(self, sums: [__m256d; 2], from: *const f32) -> [__m256d; 2] {
        // SAFETY: `self` proves AVX; the caller answers for the pointer.
        unsafe {
            let low = _mm256_cvtps_pd(_mm_loadu_ps(from));
            let high = _mm256_cvtps_pd(_mm_loadu_ps(from.add(4)));
            [_mm256_add_pd(sums[0], low), _mm256_add_pd(sums[1], high)]
        }
    }
}
