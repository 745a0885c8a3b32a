//! The processor's limit, for benchmarks to hold kernels against.

use super::Compute;
use super::simd::{Kernel, Simd};
use std::hint::black_box;

/// Chains that run side by side: enough to hide the latency of two multipliers.
const CHAINS: usize = 12;

/// Does nothing but multiply and add in registers, on all threads, `rounds` times
/// over; returns how many floating-point operations that were.
///
/// Timed by the caller, it tells what no kernel can exceed.
#[must_use]
pub fn multiply_adds(compute: &Compute, rounds: usize) -> f64 {
    compute.for_each_chunk(compute.threads(), |_| {
        black_box(compute.isa().run(Chains { rounds }));
    });
    let lanes = compute.isa().run(Lanes);
    (2 * CHAINS * lanes * rounds * compute.threads()) as f64
}

struct Chains {
    rounds: usize,
}

impl Kernel for Chains {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (factor, term) = (simd.splat(black_box(0.999)), simd.splat(black_box(0.001)));
        let mut chains = [term; CHAINS];
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = simd.fma(*chain, factor, term);
            }
        }
        let sum = chains.into_iter().fold(
            term,
            #[inline(always)]
            |sum, chain| simd.add(sum, chain),
        );
        simd.largest(sum)
    }
}

struct Lanes;

impl Kernel for Lanes {
    type Output = usize;

    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}
