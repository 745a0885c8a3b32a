//! How fast the kernels are, and what share of the machine's limit that is:
//! `cargo run --release -p headscope-engine --example kernels -- [THREADS] [ISA]`.
//!
//! Times are minima, so that a busy machine spoils them less.

use headscope_engine::kernels::{
    Activation, AttendRule, Attended, Compute, Dtype, Epilogue, Heads, Isa, Linear, Stored, attend,
    multiply_adds, zeros,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A stack of equal blocks: the weights `(out, in)` of one, and how it is stored.
struct Shape {
    name: &'static str,
    layers: usize,
    weights: [(usize, usize); 4],
    dtype: Dtype,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "BERT-base f32",
        layers: 12,
        weights: [(2304, 768), (768, 768), (3072, 768), (768, 3072)],
        dtype: Dtype::F32,
    },
    Shape {
        name: "gte-small f16",
        layers: 12,
        weights: [(1152, 384), (384, 384), (1536, 384), (384, 1536)],
        dtype: Dtype::F16,
    },
    Shape {
        name: "SmolLM-135M bf16",
        layers: 30,
        weights: [(960, 576), (576, 576), (3072, 576), (576, 1536)],
        dtype: Dtype::Bf16,
    },
];

fn main() {
    let mut args = std::env::args().skip(1);
    let threads = args.next().map_or(2, |n| n.parse().expect("THREADS is a number"));
    let isa = args.next().map_or(Isa::detect(), |name| name.parse().expect("ISA is a name"));
    let compute = Compute::new(threads, isa);
    let (peak, bandwidth) = (peak(&compute), bandwidth(&compute));
    println!("{compute:?}: at most {:.0} GFLOP/s, {:.0} GB/s", peak / 1e9, bandwidth / 1e9);
    for shape in &SHAPES {
        linear(&compute, shape, peak, bandwidth);
    }
    for (heads, key_heads, d_head) in [(12, 12, 64), (12, 12, 32), (9, 3, 64)] {
        attention(&compute, heads, key_heads, d_head, peak);
    }
}

/// Seconds of the fastest run within half a second.
fn time(mut f: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn peak(compute: &Compute) -> f64 {
    const ROUNDS: usize = 100_000;
    let operations = multiply_adds(compute, ROUNDS);
    operations / time(|| _ = black_box(multiply_adds(compute, ROUNDS)))
}

/// Bytes per second that all threads together read from memory.
fn bandwidth(compute: &Compute) -> f64 {
    const PART: usize = 1 << 20;
    let memory: Vec<f32> = zeros(128 * PART).iter().map(|x| x + 1.0).collect();
    let read = |i: usize| {
        let mut sums = [0.0f32; 64];
        for line in memory[i * PART..][..PART].chunks_exact(64) {
            sums.iter_mut().zip(line).for_each(|(sum, x)| *sum += x);
        }
        black_box(sums);
    };
    size_of_val(memory.as_slice()) as f64 / time(|| compute.for_each_chunk(128, read))
}

fn linear(compute: &Compute, shape: &Shape, peak: f64, bandwidth: f64) {
    let of_layer = |&(n_out, n_in): &(usize, usize)| {
        let bytes: &'static [u8] = vec![0x3c; shape.dtype.bytes(n_out * n_in)].leak();
        let weight = Stored { dtype: shape.dtype, bytes };
        Linear::pack(compute, weight, n_out, n_in, Some(vec![0.1; n_out]))
    };
    let layers: Vec<[Linear<Stored<'_>>; 4]> =
        (0..shape.layers).map(|_| shape.weights.each_ref().map(of_layer)).collect();
    let numbers: usize = shape.layers * shape.weights.iter().map(|(o, i)| o * i).sum::<usize>();
    let bytes = shape.dtype.bytes(numbers);
    println!("\n{}, {} MB of weights", shape.name, bytes / 1_000_000);
    for rows in [1, 4, 8, 16, 37, 128, 512] {
        let x = shape.weights.map(|(_, n_in)| vec![0.01; rows * n_in]);
        let mut out = shape.weights.map(|(n_out, _)| vec![0.0; rows * n_out]);
        let residual = vec![0.5; rows * shape.weights[1].0];
        let epilogues = [
            Epilogue::Store,
            Epilogue::Add(&residual),
            Epilogue::Activate(Activation::Gelu),
            Epilogue::Add(&residual),
        ];
        let seconds = time(|| {
            for layer in &layers {
                for (i, linear) in layer.iter().enumerate() {
                    linear.forward(compute, &x[i], rows, epilogues[i], &mut out[i]);
                }
            }
        });
        let floor = (2 * numbers * rows) as f64 / peak;
        let limit = floor.max(bytes as f64 / bandwidth);
        println!(
            "{rows:6} rows {:9.3} ms {:6.0} GFLOP/s {:5.1} GB/s: {:3.0} % of the limit",
            seconds * 1e3,
            (2 * numbers * rows) as f64 / seconds / 1e9,
            bytes as f64 / seconds / 1e9,
            100.0 * limit / seconds,
        );
    }
}

fn attention(compute: &Compute, heads: usize, key_heads: usize, d_head: usize, peak: f64) {
    println!("\n{heads} heads on {key_heads} key heads of {d_head}");
    for n in [16, 37, 128, 512, 2048] {
        let number = |i: usize| (i * 7919 % 1000) as f32 / 1000.0 - 0.5;
        let data: Vec<f32> = (0..n * heads * d_head).map(number).collect();
        let heads_of = |n_heads: usize| Heads {
            data: &data,
            n_heads,
            tokens: n,
            d_head,
            head_stride: d_head,
            token_stride: n_heads * d_head,
        };
        let (q, k) = (heads_of(heads), heads_of(key_heads));
        let (full, causal) = (|_: usize| 0..n, |i: usize| 0..i + 1);
        let rule = |keys| AttendRule {
            scale: 0.125,
            keys,
            causal: false,
            padding: None,
            soft_cap: None,
            bias: None,
            sink: None,
        };
        let (mut z, mut lse) = (vec![0.0; n * heads * d_head], vec![0.0; heads * n]);
        let mut pattern = zeros(heads * n * n);
        let recorded = time(|| {
            let (z, pattern) = (Some(&mut z[..]), Some(&mut pattern[..]));
            attend(compute, q, k, k, rule(&full), Attended { z, pattern, ..Attended::default() });
        });
        let mixed = time(|| {
            let out = Attended { z: Some(&mut z), ..Attended::default() };
            attend(compute, q, k, k, rule(&full), out);
        });
        let masked = time(|| {
            let out = Attended { z: Some(&mut z), ..Attended::default() };
            attend(compute, q, k, k, rule(&causal), out);
        });
        let streamed = time(|| {
            let out = Attended { lse: Some(&mut lse), ..Attended::default() };
            attend(compute, q, k, k, rule(&full), out);
        });
        let operations = (2 * heads * n * n * d_head) as f64;
        println!(
            "{n:6} tokens: pattern and z {:8.3} ms, z {:8.3} ms ({:2.0} % of peak), causal z {:8.3} ms, lse {:8.3} ms ({:2.0} %)",
            recorded * 1e3,
            mixed * 1e3,
            100.0 * 2.0 * operations / mixed / peak,
            masked * 1e3,
            streamed * 1e3,
            100.0 * operations / streamed / peak,
        );
    }
}
