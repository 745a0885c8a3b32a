//! Each kernel alone, on each instruction set that the machine has:
//! `cargo bench -p headscope-engine -- linear` (or another name; `THREADS=1` for one thread).
//!
//! The shapes are those of BERT-base, unless the name of a case says otherwise. `items` are
//! floating-point operations of the products: set against `multiply_adds`, which does nothing but those,
//! they are the share of what the processor can do. What is not a product counts the bytes it reads.
//! The example `kernels` times whole models' layers and prints such shares itself.

use std::fmt::{self, Display};
use std::hint::black_box;
use std::time::Duration;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use headscope_engine::kernels::{
    Activation, AttendRule, Attended, Compute, Dtype, Epilogue, Heads, Isa, Linear, Stored, add, attend,
    layer_norm, rms_norm, softmax_rows, zeros,
};

fn main() {
    // Enough for a steady minimum; `--max-time` takes another number of seconds.
    divan::Divan::default().max_time(Duration::from_millis(300)).config_with_args().main();
}

fn compute(isa: Isa) -> Compute {
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Compute::new(threads.unwrap_or_else(cores), isa)
}

/// An argument and an instruction set; divan shows them in one line.
#[derive(Clone, Copy)]
struct On<T>(Isa, T);

impl<T: Display> Display for On<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// Each argument on each instruction set.
fn on_each<T: Copy>(arguments: &[T]) -> Vec<On<T>> {
    let on = |isa: Isa| arguments.iter().map(move |&argument| On(isa, argument));
    Isa::available().into_iter().flat_map(on).collect()
}

/// Numbers between -0.5 and 0.5 that repeat late.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
}

/// The processor's limit, in the same unit as the products below.
#[divan::bench(args = Isa::available())]
fn multiply_adds(bencher: Bencher, isa: Isa) {
    const ROUNDS: usize = 100_000;
    let compute = compute(isa);
    let operations = headscope_engine::kernels::multiply_adds(&compute, 1) as usize * ROUNDS;
    bencher
        .counter(ItemsCount::new(operations))
        .bench_local(|| black_box(headscope_engine::kernels::multiply_adds(&compute, ROUNDS)));
}

/// The first matrix of the feed-forward part, `[3072, 768]`, with GELU.
mod linear {
    use super::*;

    const SHAPE: (usize, usize) = (3072, 768);
    const ROWS: &[usize] = &[1, 8, 16, 37, 128, 512];

    fn forward(bencher: Bencher, On(isa, rows): On<usize>, dtype: Dtype) {
        let compute = compute(isa);
        let (n_out, n_in) = SHAPE;
        // 0x3c3c is near 1 in f16 and 0.01 in bf16, and 0x3c3c3c3c is 0.01 in f32.
        let bytes = vec![0x3c; dtype.bytes(n_out * n_in)];
        let weight = Stored { dtype, bytes: &bytes };
        let layer = Linear::pack(&compute, weight, n_out, n_in, Some(vec![0.1; n_out]));
        let (x, mut out) = (numbers(rows * n_in), vec![0.0; rows * n_out]);
        bencher.counter(ItemsCount::new(2 * rows * n_out * n_in)).bench_local(|| {
            layer.forward(&compute, &x, rows, Epilogue::Activate(Activation::Gelu), &mut out);
            black_box(&mut out);
        });
    }

    #[divan::bench(args = on_each(ROWS))]
    fn f32(bencher: Bencher, on: On<usize>) {
        forward(bencher, on, Dtype::F32);
    }

    #[divan::bench(args = on_each(ROWS))]
    fn f16(bencher: Bencher, on: On<usize>) {
        forward(bencher, on, Dtype::F16);
    }

    #[divan::bench(args = on_each(ROWS))]
    fn bf16(bencher: Bencher, on: On<usize>) {
        forward(bencher, on, Dtype::Bf16);
    }
}

/// Twelve heads of 64.
mod attention {
    use super::*;

    const HEADS: usize = 12;
    const D_HEAD: usize = 64;
    const TOKENS: &[usize] = &[16, 128, 512, 2048];

    /// What of attention is asked for.
    struct Wanted {
        z: bool,
        pattern: bool,
        lse: bool,
        causal: bool,
    }

    const NOTHING: Wanted = Wanted { z: false, pattern: false, lse: false, causal: false };

    fn run(bencher: Bencher, On(isa, tokens): On<usize>, wanted: Wanted) {
        let compute = compute(isa);
        let width = HEADS * D_HEAD;
        let data = numbers(3 * tokens * width);
        let part = |i: usize| Heads {
            data: &data[i * tokens * width..][..tokens * width],
            n_heads: HEADS,
            tokens,
            d_head: D_HEAD,
            head_stride: D_HEAD,
            token_stride: width,
        };
        let (all, causal) = (|_: usize| 0..tokens, |query: usize| 0..query + 1);
        let rule = AttendRule {
            scale: (D_HEAD as f32).sqrt().recip(),
            keys: if wanted.causal { &causal } else { &all },
            padding: None,
            soft_cap: None,
            bias: None,
            sink: None,
            causal: false,
        };
        let mut z = wanted.z.then(|| vec![0.0; tokens * width]);
        let mut pattern = wanted.pattern.then(|| zeros(HEADS * tokens * tokens));
        let mut lse = wanted.lse.then(|| vec![0.0; HEADS * tokens]);
        let pairs = if wanted.causal { tokens * (tokens + 1) / 2 } else { tokens * tokens };
        let products = if wanted.z { 2 } else { 1 };
        bencher.counter(ItemsCount::new(2 * products * pairs * width)).bench_local(|| {
            let out = Attended {
                z: z.as_deref_mut(),
                pattern: pattern.as_deref_mut(),
                lse: lse.as_deref_mut(),
                scores: None,
            };
            attend(&compute, part(0), part(1), part(2), rule, out);
            black_box((&mut z, &mut pattern, &mut lse));
        });
    }

    #[divan::bench(args = on_each(TOKENS))]
    fn pattern_and_z(bencher: Bencher, on: On<usize>) {
        run(bencher, on, Wanted { z: true, pattern: true, ..NOTHING });
    }

    #[divan::bench(args = on_each(TOKENS))]
    fn z(bencher: Bencher, on: On<usize>) {
        run(bencher, on, Wanted { z: true, ..NOTHING });
    }

    #[divan::bench(args = on_each(TOKENS))]
    fn causal_pattern_and_z(bencher: Bencher, on: On<usize>) {
        run(bencher, on, Wanted { z: true, pattern: true, causal: true, ..NOTHING });
    }

    #[divan::bench(args = on_each(TOKENS))]
    fn lse(bencher: Bencher, on: On<usize>) {
        run(bencher, on, Wanted { lse: true, ..NOTHING });
    }
}

/// Softmax of scores that stand in memory, as after a probe has rewritten them: 12 heads, so many tokens.
#[divan::bench(args = on_each(&[16, 128, 512]))]
fn softmax(bencher: Bencher, On(isa, tokens): On<usize>) {
    let compute = compute(isa);
    let (scores, mut pattern) = (numbers(12 * tokens * tokens), zeros(12 * tokens * tokens));
    bencher.counter(BytesCount::of_slice(&scores)).bench_local(|| {
        softmax_rows(&compute, &scores, 12, tokens, None, &mut pattern, None);
        black_box(&mut pattern);
    });
}

/// Rows of 768.
mod rows {
    use super::*;

    const WIDTH: usize = 768;

    fn each(bencher: Bencher, On(isa, rows): On<usize>, f: impl Fn(&Compute, &[f32], &mut [f32])) {
        let compute = compute(isa);
        let (x, mut out) = (numbers(rows * WIDTH), vec![0.0; rows * WIDTH]);
        bencher.counter(BytesCount::of_slice(&x)).bench_local(|| {
            f(&compute, &x, &mut out);
            black_box(&mut out);
        });
    }

    #[divan::bench(args = on_each(&[16, 512]))]
    fn layer_norm(bencher: Bencher, on: On<usize>) {
        let (weight, bias) = (vec![1.5; WIDTH], vec![0.5; WIDTH]);
        each(bencher, on, |compute, x, out| {
            super::layer_norm(compute, x, WIDTH, &weight, Some(&bias), 1e-12, out);
        });
    }

    #[divan::bench(args = on_each(&[16, 512]))]
    fn rms_norm(bencher: Bencher, on: On<usize>) {
        let weight = vec![1.5; WIDTH];
        each(bencher, on, |compute, x, out| super::rms_norm(compute, x, WIDTH, &weight, 1e-5, out));
    }

    #[divan::bench(args = on_each(&[16, 512]))]
    fn add(bencher: Bencher, on: On<usize>) {
        each(bencher, on, |compute, x, out| super::add(compute, x, x, out));
    }
}

/// An activation by its name.
#[derive(Clone, Copy)]
struct Named(Activation);

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

const ACTIVATIONS: [Named; 7] = [
    Named(Activation::Gelu),
    Named(Activation::GeluTanh),
    Named(Activation::QuickGelu),
    Named(Activation::Silu),
    Named(Activation::Relu),
    Named(Activation::Tanh),
    Named(Activation::Sigmoid),
];

/// Each function on 128 rows of 3072, copied in from where they are read.
#[divan::bench(args = on_each(&ACTIVATIONS))]
fn activation(bencher: Bencher, On(isa, Named(activation)): On<Named>) {
    let compute = compute(isa);
    let x: Vec<f32> = numbers(128 * 3072).iter().map(|x| 8.0 * x).collect();
    let mut y = x.clone();
    bencher.counter(BytesCount::of_slice(&x)).bench_local(|| {
        y.copy_from_slice(&x);
        activation.apply(&compute, &mut y);
        black_box(&mut y);
    });
}
