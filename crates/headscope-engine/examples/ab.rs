use headscope_engine::kernels::{AttendRule, Attended, Compute, Heads, Isa, attend, multiply_adds, zeros};
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[1].parse().unwrap();
    let isa = if a[2] == "best" { Isa::detect() } else { a[2].parse().unwrap() };
    let secs: f64 = a[3].parse().unwrap();
    let compute = Compute::new(threads, isa);
    let time = |f: &mut dyn FnMut()| {
        let begin = Instant::now();
        let mut best = f64::INFINITY;
        while begin.elapsed().as_secs_f64() < secs {
            let s = Instant::now();
            f();
            best = best.min(s.elapsed().as_secs_f64());
        }
        best
    };
    let ops = multiply_adds(&compute, 100_000);
    let peak = ops
        / time(&mut || {
            multiply_adds(&compute, 100_000);
        });
    println!("peak {:.0}", peak / 1e9);
    for spec in &a[4..] {
        let p: Vec<&str> = spec.split(':').collect();
        let (mode, n, heads, d): (&str, usize, usize, usize) =
            (p[0], p[1].parse().unwrap(), p[2].parse().unwrap(), p[3].parse().unwrap());
        let number = |i: usize| (i * 7919 % 1000) as f32 / 1000.0 - 0.5;
        let data: Vec<f32> = (0..n * heads * d).map(number).collect();
        let q = Heads {
            data: &data,
            n_heads: heads,
            tokens: n,
            d_head: d,
            head_stride: d,
            token_stride: heads * d,
        };
        let (full, causal, window) =
            (|_: usize| 0..n, |i: usize| 0..i + 1, |i: usize| i.saturating_sub(128)..i + 129);
        let (mut z, mut lse) = (vec![0.0; n * heads * d], vec![0.0; heads * n]);
        let mut pattern = if mode.starts_with('p') { zeros(heads * n * n) } else { vec![] };
        let keys: &(dyn Fn(usize) -> std::ops::Range<usize> + Sync) = if mode.ends_with('c') {
            &causal
        } else if mode.ends_with('w') {
            &window
        } else {
            &full
        };
        let rule = AttendRule {
            scale: 0.125,
            keys,
            causal: mode.ends_with("c"),
            padding: None,
            soft_cap: None,
            sink: None,
        };
        let t = time(&mut || {
            let mut out = Attended::default();
            if mode.starts_with('z') || mode.starts_with('p') {
                out.z = Some(&mut z[..]);
            }
            if mode.starts_with('l') {
                out.lse = Some(&mut lse[..]);
            }
            if mode.starts_with('p') {
                out.pattern = Some(&mut pattern[..]);
            }
            attend(&compute, q, q, q, rule, out);
        });
        let mul = if mode.starts_with('l') { 2.0 } else { 4.0 };
        println!(
            "{spec:>16} {:10.4} ms {:4.0} %",
            t * 1e3,
            100.0 * mul * (heads * n * n * d) as f64 / t / peak
        );
    }
}
