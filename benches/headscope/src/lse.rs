//! The log-sum-exp pass: all that is kept of n² weights are n numbers for each head.

use std::time::Instant;

use anyhow::Result;
use headscope::Compute;
use headscope::engine::kernels::{AttendRule, Attended, Heads, attend};

use crate::limits;

/// BERT-base.
const HEADS: usize = 12;
const D_HEAD: usize = 64;

/// Prints the seconds of the fastest of three passes, its operations, and operations a second at best.
pub fn time(tokens: usize, compute: &Compute) -> Result<()> {
    let width = HEADS * D_HEAD;
    let number = |i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0;
    let q: Vec<f32> = (0..tokens * width).map(number).collect();
    let k: Vec<f32> = (0..tokens * width).map(|i| number(i + 5)).collect();
    let heads = |data| Heads {
        data,
        n_heads: HEADS,
        tokens,
        d_head: D_HEAD,
        head_stride: D_HEAD,
        token_stride: width,
    };
    let full = |_: usize| 0..tokens;
    let rule = AttendRule {
        scale: (D_HEAD as f32).sqrt().recip(),
        keys: &full,
        padding: None,
        soft_cap: None,
        bias: None,
        sink: None,
        causal: false,
    };
    let mut lse = vec![0.0; HEADS * tokens];
    let mut best = f64::INFINITY;
    let mut peak = limits::peak(compute);
    for _ in 0..3 {
        let start = Instant::now();
        let out = Attended { lse: Some(&mut lse), ..Attended::default() };
        attend(compute, heads(&q), heads(&k), heads(&k), rule, out);
        best = best.min(start.elapsed().as_secs_f64());
        peak = peak.max(limits::peak(compute));
    }
    anyhow::ensure!(lse.iter().all(|x| x.is_finite()), "a log-sum-exp is not finite");
    println!("{best} {} {peak}", (2 * HEADS * tokens * tokens * D_HEAD) as f64);
    Ok(())
}
