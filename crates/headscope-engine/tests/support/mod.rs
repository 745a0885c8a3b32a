//! What the kernels' tests share.
#![allow(dead_code)] // Not every file asks for all of it.

use headscope_engine::kernels::{Compute, Isa};

/// Numbers between -1 and 1, the same for the same seed.
pub fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Every instruction set that this machine has, and `amx` where it does and `HEADSCOPE_TEST_AMX` is set.
pub fn isas() -> impl Iterator<Item = Isa> {
    let amx = std::env::var_os("HEADSCOPE_TEST_AMX").and_then(|_| "amx".parse().ok());
    Isa::available().into_iter().chain(amx)
}

/// Two threads with each of them.
pub fn each_isa() -> impl Iterator<Item = Compute> {
    isas().map(|isa| Compute::new(2, isa))
}

/// The bits of each number.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Half an ulp of 1.
pub const EPS: f64 = 5.96e-8;
