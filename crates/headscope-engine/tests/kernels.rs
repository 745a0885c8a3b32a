//! The kernels against plain loops in f64, on odd shapes, with every
//! instruction set that this machine has.

use half::{bf16, f16};
use headscope_engine::kernels::{
    Activation, AttendRule, Attended, Compute, Dtype, Epilogue, Heads, Isa, Linear, Stored, Turns, add,
    attend, gate, layer_norm, mix, rms_norm, rms_norm_heads, softmax_rows,
};
use proptest::prelude::*;
use std::ops::Range;

/// Numbers between -1 and 1, the same for the same seed.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Bytes of a checkpoint and the numbers that they stand for.
fn stored(dtype: Dtype, x: &[f32]) -> (Vec<u8>, Vec<f32>) {
    match dtype {
        Dtype::F32 => (x.iter().flat_map(|x| x.to_le_bytes()).collect(), x.to_vec()),
        Dtype::F16 => {
            let x: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
            let wide = x.iter().map(|x| x.to_f32()).collect();
            (x.iter().flat_map(|x| x.to_le_bytes()).collect(), wide)
        }
        Dtype::Bf16 => {
            let x: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
            let wide = x.iter().map(|x| x.to_f32()).collect();
            (x.iter().flat_map(|x| x.to_le_bytes()).collect(), wide)
        }
    }
}

fn each_isa() -> impl Iterator<Item = Compute> {
    Isa::available().into_iter().map(|isa| Compute::new(2, isa))
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Half an ulp of 1.
const EPS: f64 = 5.96e-8;

fn dtypes() -> impl Strategy<Value = Dtype> {
    prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn linear_is_a_product(
        rows in prop_oneof![1usize..20, Just(37), Just(129), Just(300)],
        n_in in prop_oneof![0usize..40, Just(128), Just(129), Just(384), 500usize..700],
        n_out in prop_oneof![1usize..100, Just(48), Just(384)],
        dtype in dtypes(),
        with_bias: bool,
        kind in 0..3,
        shift in 0usize..9,
        seed: u64,
    ) {
        let (mut bytes, w) = stored(dtype, &numbers(n_out * n_in, seed));
        bytes.splice(0..0, vec![0; shift]);
        let weight = Stored { dtype, bytes: &bytes[shift..] };
        let x = numbers(rows * n_in, seed + 1);
        let bias = with_bias.then(|| numbers(n_out, seed + 2));
        let residual = numbers(rows * n_out, seed + 3);
        for compute in each_isa() {
            let layer = Linear::in_place(vec![(weight, n_out)], n_in, bias.clone());
            let epilogue = match kind {
                0 => Epilogue::Store,
                1 => Epilogue::Activate(Activation::Relu),
                _ => Epilogue::Add(&residual),
            };
            let mut out = vec![f32::NAN; rows * n_out];
            prop_assert!(layer.forward(&compute, &x, rows, epilogue, &mut out));
            layer.make_panels(&compute);
            let mut packed = vec![f32::NAN; rows * n_out];
            prop_assert!(layer.forward(&compute, &x, rows, epilogue, &mut packed));
            prop_assert_eq!(bits(&packed), bits(&out), "{}: packed and in place", compute.isa());
            for r in 0..rows {
                for c in 0..n_out {
                    let b = bias.as_ref().map_or(0.0, |b| f64::from(b[c]));
                    let products = (0..n_in).map(|i| f64::from(x[r * n_in + i]) * f64::from(w[c * n_in + i]));
                    let sum = products.clone().sum::<f64>() + b;
                    let at = r * n_out + c;
                    let (expected, extra) = match kind {
                        0 => (sum, 0.0),
                        1 => (sum.max(0.0), 0.0),
                        _ => (sum + f64::from(residual[at]), 1.0),
                    };
                    // Rounding errors are independent: they grow with the root
                    // of a chain's length, not with the length.
                    let norm = products.map(|p| p * p).sum::<f64>().sqrt();
                    let chain = (n_in.min(128) as f64).sqrt() + (n_in as f64 / 128.0);
                    let bound = EPS * (2.5 * chain * norm + 3.0 * (b.abs() + extra + sum.abs()));
                    let error = (f64::from(out[at]) - expected).abs();
                    prop_assert!(error <= bound, "{}: [{r}, {c}] is off by {error:e}, more than {bound:e}", compute.isa());
                }
            }
        }
    }

    #[test]
    fn attention_is_softmax_of_products(
        queries in 1usize..70,
        keys in prop_oneof![1usize..70, Just(97), Just(200)],
        (query_heads, key_heads) in prop_oneof![Just((3, 3)), Just((6, 2)), Just((4, 1))],
        d_head in prop_oneof![Just(32usize), Just(64), Just(5), Just(20), Just(100)],
        mask in 0..5,
        soft_cap in prop::option::of(Just(5.0f32)),
        with_sink: bool,
        padded: bool,
        sharp in prop_oneof![Just(0.2f32), Just(3.0)],
        seed: u64,
    ) {
        let width = query_heads * d_head;
        let q = numbers(queries * (width + 3), seed);
        let k = numbers(keys * key_heads * d_head, seed + 1);
        let v = numbers(keys * key_heads * d_head, seed + 2);
        // Queries by token with a gap, keys by token, values by head.
        let q = Heads { data: &q, n_heads: query_heads, tokens: queries, d_head, head_stride: d_head, token_stride: width + 3 };
        let k = Heads { data: &k, n_heads: key_heads, tokens: keys, d_head, head_stride: d_head, token_stride: key_heads * d_head };
        let v = Heads { data: &v, n_heads: key_heads, tokens: keys, d_head, head_stride: keys * d_head, token_stride: d_head };
        let window = move |i: usize| -> Range<usize> {
            match mask {
                0 => 0..keys,
                1 => 0..(i + 1).min(keys),
                2 => i.saturating_sub(7).min(keys)..(i + 8).min(keys),
                3 => i.saturating_sub(20).min(keys)..(i + 1).min(keys),
                // Some queries see nothing at all, some ranges exceed the keys.
                _ => if i.is_multiple_of(3) { 0..0 } else { 2..keys + 9 },
            }
        };
        let padding: Option<Vec<bool>> = padded.then(|| (0..keys).map(|j| j % 4 != 1).collect());
        let sink = with_sink.then(|| numbers(query_heads, seed + 3));
        let rule = AttendRule { scale: sharp, keys: &window, padding: padding.as_deref(), soft_cap, sink: sink.as_deref() };
        let expected = plain_attention(q, k, v, rule);
        for compute in each_isa() {
            let isa = compute.isa();
            let n = query_heads * queries;
            let (mut z, mut lse) = (vec![f32::NAN; queries * width], vec![f32::NAN; n]);
            let (mut scores, mut pattern) = (vec![f32::NAN; n * keys], vec![f32::NAN; n * keys]);
            let all = Attended { z: Some(&mut z), lse: Some(&mut lse), scores: Some(&mut scores), pattern: Some(&mut pattern) };
            attend(&compute, q, k, v, rule, all);
            let bound = 3.0 * EPS * f64::from(sharp) * (d_head as f64).max(8.0);
            close(&format!("{isa} scores"), &scores, &expected.scores, bound)?;
            close(&format!("{isa} lse"), &lse, &expected.lse, bound + 4.0 * EPS)?;
            close(&format!("{isa} pattern"), &pattern, &expected.pattern, bound + 4.0 * EPS)?;
            close(&format!("{isa} z"), &z, &expected.z, bound + 4.0 * EPS)?;
            for (row, lse) in pattern.chunks(keys).zip(&lse) {
                let sum: f64 = row.iter().map(|&x| f64::from(x)).sum();
                if sink.is_none() && lse.is_finite() {
                    prop_assert!((sum - 1.0).abs() < 3.0 * EPS, "{isa}: a row sums to {sum}");
                }
            }

            // What is not asked for changes nothing of what is.
            let mut alone = vec![f32::NAN; queries * width];
            attend(&compute, q, k, v, rule, Attended { z: Some(&mut alone), ..Attended::default() });
            prop_assert_eq!(bits(&alone), bits(&z));
            let mut alone = vec![f32::NAN; n];
            attend(&compute, q, k, v, rule, Attended { lse: Some(&mut alone), ..Attended::default() });
            prop_assert_eq!(bits(&alone), bits(&lse));

            // A recorded pass taken up again at its scores, and at its pattern.
            let (mut again, mut sums) = (vec![f32::NAN; n * keys], vec![f32::NAN; n]);
            softmax_rows(&compute, &scores, query_heads, keys, rule.sink, &mut again, Some(&mut sums));
            close(&format!("{isa} pattern from scores"), &again, &expected.pattern, bound + 4.0 * EPS)?;
            close(&format!("{isa} lse from scores"), &sums, &expected.lse, bound + 4.0 * EPS)?;
            let mut mixed = vec![f32::NAN; queries * width];
            mix(&compute, &pattern, query_heads, v, &mut mixed);
            close(&format!("{isa} z from pattern"), &mixed, &expected.z, bound + 4.0 * EPS)?;
        }
    }

    #[test]
    fn norms_are_exact(rows in 1usize..9, width in 1usize..900, shift in prop_oneof![Just(0.0f32), Just(1000.0)], seed: u64) {
        let x: Vec<f32> = numbers(rows * width, seed).iter().map(|x| x + shift).collect();
        let (weight, bias) = (numbers(width, seed + 1), numbers(width, seed + 2));
        for compute in each_isa() {
            let mut with_mean = vec![f32::NAN; x.len()];
            layer_norm(&compute, &x, width, &weight, Some(&bias), 1e-12, &mut with_mean);
            let mut without = vec![f32::NAN; x.len()];
            rms_norm(&compute, &x, width, &weight, 1e-6, &mut without);
            for (r, x) in x.chunks(width).enumerate() {
                let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let mean = x.iter().sum::<f64>() / width as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                let square = x.iter().map(|x| x * x).sum::<f64>() / width as f64;
                for j in 0..width {
                    let (w, b) = (f64::from(weight[j]), f64::from(bias[j]));
                    let one = (x[j] - mean) / (variance + 1e-12).sqrt() * w + b;
                    let other = x[j] / (square + f64::from(1e-6f32)).sqrt() * w;
                    let at = r * width + j;
                    // Rounded once: half an ulp.
                    if variance > 1e-6 {
                        prop_assert!((f64::from(with_mean[at]) - one).abs() <= EPS * one.abs() + 1e-9, "{} {one}", with_mean[at]);
                    }
                    prop_assert!((f64::from(without[at]) - other).abs() <= EPS * other.abs() * 1.001 + 1e-12);
                }
            }
        }
    }

    #[test]
    fn heads_are_normed_in_place(rows in 0usize..9, heads in 0usize..5, first in 0usize..3, width in 1usize..150, rest in 0usize..9, seed: u64) {
        let columns = (first + heads) * width + rest;
        let x = numbers(rows * columns, seed);
        let weight = numbers(width, seed + 1);
        for compute in each_isa() {
            let mut out = x.clone();
            rms_norm_heads(&compute, &mut out, columns, first..first + heads, &weight, 1e-6);
            let mut expected = x.clone();
            for row in expected.chunks_exact_mut(columns.max(1)) {
                let ours = &mut row[first * width..(first + heads) * width];
                let mut normed = vec![0.0; ours.len()];
                rms_norm(&compute, ours, width, &weight, 1e-6, &mut normed);
                ours.copy_from_slice(&normed);
            }
            prop_assert_eq!(bits(&out), bits(&expected));
        }
    }

    #[test]
    fn gates_are_products(
        rows in 0usize..40,
        width in prop_oneof![1usize..70, Just(768), Just(5000)],
        seed: u64,
    ) {
        let x: Vec<f32> = numbers(rows * 2 * width, seed).iter().map(|x| x * 6.0).collect();
        let expected: Vec<f64> = x
            .chunks_exact(2 * width)
            .flat_map(|row| (0..width).map(|i| (f64::from(row[i]), f64::from(row[width + i]))))
            .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
            .collect();
        for compute in each_isa() {
            let mut out = vec![f32::NAN; rows * width];
            gate(&compute, &x, width, Activation::Silu, &mut out);
            for (got, expected) in out.iter().zip(&expected) {
                let bound = 6.0 * EPS * expected.abs();
                prop_assert!((f64::from(*got) - expected).abs() <= bound, "{got} for {expected}, {}", compute.isa());
            }
        }
    }

    #[test]
    fn turns_are_rotations(
        tokens in prop_oneof![0usize..5, Just(37), Just(700)],
        pairs in 0usize..40,
        beside in 0usize..20,
        vectors in 0usize..4,
        rest in 0usize..30,
        magnitude in prop_oneof![Just(1.0f32), Just(1.139f32)],
        seed: u64,
    ) {
        let width = 2 * pairs + beside;
        let columns = (vectors * width + rest).max(1);
        let frequencies: Vec<f32> = numbers(pairs, seed).iter().map(|x| x.abs()).collect();
        let x = numbers(tokens * columns, seed + 1);
        for compute in each_isa() {
            let mut out = x.clone();
            Turns::new(&compute, &frequencies, magnitude, tokens).apply(&compute, &mut out, columns, vectors, width);
            for (i, (&got, &was)) in out.iter().zip(&x).enumerate() {
                let (position, column) = (i / columns, i % columns);
                let within = if width == 0 { 0 } else { column % width };
                if column >= vectors * width || within >= 2 * pairs {
                    prop_assert_eq!(got.to_bits(), was.to_bits(), "column {} is not turned", column);
                    continue;
                }
                let angle = f64::from(position as f32 * frequencies[within % pairs]);
                let (sign, other) = if within < pairs { (-1.0, i + pairs) } else { (1.0, i - pairs) };
                let turned = f64::from(was) * angle.cos() + sign * f64::from(x[other]) * angle.sin();
                let off = (f64::from(got) - turned * f64::from(magnitude)).abs();
                prop_assert!(off <= 4.0 * EPS, "{off:e} at {position}, {column}, {}", compute.isa());
            }
        }
    }
}

fn close(what: &str, got: &[f32], expected: &[f64], bound: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), expected.len());
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        let bound = bound * (1.0 + expected.abs());
        prop_assert!(
            f64::from(got) == expected || error <= bound,
            "{what}: {i} is {got}, not {expected}: off by {error:e}, more than {bound:e}"
        );
    }
    Ok(())
}

struct Plain {
    scores: Vec<f64>,
    pattern: Vec<f64>,
    lse: Vec<f64>,
    z: Vec<f64>,
}

fn plain_attention(q: Heads, k: Heads, v: Heads, rule: AttendRule) -> Plain {
    let at = |x: &Heads, h: usize, t: usize, d: usize| {
        f64::from(x.data[h * x.head_stride + t * x.token_stride + d])
    };
    let mut out =
        Plain { scores: vec![], pattern: vec![], lse: vec![], z: vec![0.0; q.tokens * q.n_heads * v.d_head] };
    for h in 0..q.n_heads {
        let kh = h * k.n_heads / q.n_heads;
        for i in 0..q.tokens {
            let seen = (rule.keys)(i);
            let score = |j: usize| {
                if !seen.contains(&j) || rule.padding.is_some_and(|p| !p[j]) {
                    return f64::NEG_INFINITY;
                }
                let s = (0..q.d_head).map(|d| at(&q, h, i, d) * at(&k, kh, j, d)).sum::<f64>()
                    * f64::from(rule.scale);
                rule.soft_cap.map_or(s, |cap| f64::from(cap) * (s / f64::from(cap)).tanh())
            };
            let scores: Vec<f64> = (0..k.tokens).map(score).collect();
            let sink = rule.sink.map_or(0.0, |sink| f64::from(sink[h]).exp());
            let sum = scores.iter().map(|s| s.exp()).sum::<f64>() + sink;
            let weights: Vec<f64> =
                scores.iter().map(|s| if sum == 0.0 { 0.0 } else { s.exp() / sum }).collect();
            for d in 0..v.d_head {
                let mixed = (0..k.tokens).map(|j| weights[j] * at(&v, kh, j, d)).sum();
                out.z[(i * q.n_heads + h) * v.d_head + d] = mixed;
            }
            out.lse.push(sum.ln());
            out.scores.extend(scores);
            out.pattern.extend(weights);
        }
    }
    out
}

#[test]
fn threads_change_no_bit() {
    let (n_in, n_out) = (200, 150);
    let (bytes, _) = stored(Dtype::F16, &numbers(n_in * n_out, 1));
    let weight = Stored { dtype: Dtype::F16, bytes: &bytes };
    for isa in Isa::available() {
        for rows in [1, 9, 37, 150] {
            let run = |threads: usize| {
                let compute = Compute::new(threads, isa);
                let layer = Linear::pack(&compute, weight, n_out, n_in, None);
                let mut qkv = vec![0.0; rows * n_out];
                let x = numbers(rows * n_in, 2);
                layer.forward(&compute, &x, rows, Epilogue::Activate(Activation::Gelu), &mut qkv);
                let heads = |from: usize| Heads {
                    data: &qkv[from..],
                    n_heads: 2,
                    tokens: rows,
                    d_head: 25,
                    head_stride: 25,
                    token_stride: n_out,
                };
                let (mut z, mut pattern) = (vec![0.0; rows * 50], vec![0.0; 2 * rows * rows]);
                let causal = |i: usize| 0..i + 1;
                let rule =
                    AttendRule { scale: 0.3, keys: &causal, padding: None, soft_cap: None, sink: None };
                let out = Attended { z: Some(&mut z), pattern: Some(&mut pattern), ..Attended::default() };
                attend(&compute, heads(0), heads(50), heads(100), rule, out);
                let mut normed = vec![0.0; z.len()];
                layer_norm(&compute, &z, 50, &[1.0; 50], None, 1e-5, &mut normed);
                let mut sum = vec![0.0; z.len()];
                add(&compute, &z, &normed, &mut sum);
                let mut hidden = vec![0.0; z.len() / 2];
                gate(&compute, &z, 25, Activation::Silu, &mut hidden);
                Turns::new(&compute, &[1.0, 0.3, 0.1], 1.0, rows).apply(&compute, &mut qkv, n_out, 4, 25);
                [bits(&qkv), bits(&pattern), bits(&z), bits(&sum), bits(&hidden)]
            };
            let one = run(1);
            for threads in [2, 3, 8] {
                assert!(one == run(threads), "{isa}: {threads} threads, {rows} rows");
            }
        }
    }
}

#[test]
fn a_row_depends_on_itself_alone() {
    let (n_in, n_out) = (300, 70);
    let (bytes, _) = stored(Dtype::F32, &numbers(n_in * n_out, 1));
    for compute in each_isa() {
        let layer = Linear::pack(&compute, Stored { dtype: Dtype::F32, bytes: &bytes }, n_out, n_in, None);
        let x = numbers(200 * n_in, 2);
        let run = |rows: usize| {
            let mut out = vec![0.0; rows * n_out];
            layer.forward(&compute, &x[..rows * n_in], rows, Epilogue::Store, &mut out);
            out
        };
        let all = run(200);
        for rows in [1, 2, 7, 8, 9, 33, 130] {
            assert_eq!(bits(&run(rows)), bits(&all[..rows * n_out]), "{}: {rows} rows", compute.isa());
        }
    }
}

/// A chain of 3,072 products loses five times what blocks of 128 lose.
#[test]
fn long_sums_lose_little() {
    let (rows, n_in, n_out) = (8, 3072, 96);
    let (w, x) = (numbers(n_out * n_in, 1), numbers(rows * n_in, 2));
    let (bytes, _) = stored(Dtype::F32, &w);
    let pairs = |at: usize| {
        let (x, w) = (&x[at / n_out * n_in..], &w[at % n_out * n_in..]);
        x.iter().zip(w).take(n_in)
    };
    let exact: Vec<f64> =
        (0..rows * n_out).map(|at| pairs(at).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum()).collect();
    let rms = |y: &[f32]| {
        let squares = y.iter().zip(&exact).map(|(&y, e)| (f64::from(y) - e).powi(2));
        (squares.sum::<f64>() / exact.len() as f64).sqrt()
    };
    let chain: Vec<f32> = (0..rows * n_out).map(|at| pairs(at).map(|(x, w)| x * w).sum()).collect();
    for compute in each_isa() {
        let layer = Linear::pack(&compute, Stored { dtype: Dtype::F32, bytes: &bytes }, n_out, n_in, None);
        let mut out = vec![0.0; rows * n_out];
        layer.forward(&compute, &x, rows, Epilogue::Store, &mut out);
        let (ours, theirs) = (rms(&out), rms(&chain));
        println!("{}: rms error {ours:.2e}, of one chain {theirs:.2e}", compute.isa());
        assert!(ours < 0.4 * theirs, "{}: {ours:e} against {theirs:e}", compute.isa());
    }
}

/// Scores near 180, as in gte-small's last layer: an f32 there is good to 8e-6,
/// and so would patterns be if scores were rounded to it.
#[test]
fn far_off_scores_lose_nothing() {
    let (n, d_head) = (70, 32);
    let (q, k) = (numbers(n * d_head, 1), numbers(n * d_head, 2));
    let q: Vec<f32> = q.iter().map(|q| 5.6 + 0.1 * q).collect();
    let k: Vec<f32> = k.iter().map(|k| 5.7 + k).collect();
    let heads = |data| Heads { data, n_heads: 1, tokens: n, d_head, head_stride: 0, token_stride: d_head };
    let full = |_: usize| 0..n;
    let rule = AttendRule { scale: 0.176_776_7, keys: &full, padding: None, soft_cap: None, sink: None };
    let expected = plain_attention(heads(&q), heads(&k), heads(&k), rule);
    assert!(expected.scores.iter().all(|s| (150.0..210.0).contains(s)));
    for compute in each_isa() {
        let (mut pattern, mut lse) = (vec![0.0; n * n], vec![0.0; n]);
        let out = Attended { pattern: Some(&mut pattern), lse: Some(&mut lse), ..Attended::default() };
        attend(&compute, heads(&q), heads(&k), heads(&k), rule, out);
        let off = |got: &[f32], expected: &[f64]| {
            got.iter().zip(expected).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
        };
        let (error, lse_error) = (off(&pattern, &expected.pattern), off(&lse, &expected.lse));
        println!("{}: pattern {error:.1e}, lse {lse_error:.1e}", compute.isa());
        assert!(error < 1.5e-6, "{}: pattern off by {error:e}", compute.isa());
        assert!(lse_error < 1.2e-5, "{}: lse off by {lse_error:e}", compute.isa());
    }
}

#[test]
fn stacked_and_transposed_weights_are_the_same_layer() {
    let compute = Compute::new(2, Isa::detect());
    let (n_in, parts) = (77, [50, 3, 60]);
    let n_out: usize = parts.iter().sum();
    let w = numbers(n_out * n_in, 4);
    let x = numbers(5 * n_in, 5);
    let run = |layer: Linear<Stored<'_>>| {
        let mut out = vec![0.0; 5 * n_out];
        layer.forward(&compute, &x, 5, Epilogue::Store, &mut out);
        bits(&out)
    };
    let (bytes, _) = stored(Dtype::F32, &w);
    let whole = Stored { dtype: Dtype::F32, bytes: &bytes };
    let expected = run(Linear::pack(&compute, whole, n_out, n_in, None));

    let mut from = 0;
    let stacked = parts.map(|n| {
        let part = whole.slice(from * n_in..(from + n) * n_in);
        from += n;
        (part, n)
    });
    assert_eq!(run(Linear::in_place(stacked.to_vec(), n_in, None)), expected);
    let layer = Linear::in_place(stacked.to_vec(), n_in, None);
    layer.make_panels(&compute);
    assert_eq!(run(layer), expected);

    let turned: Vec<f32> = (0..n_in * n_out).map(|i| w[i % n_out * n_in + i / n_out]).collect();
    let (bytes, _) = stored(Dtype::F32, &turned);
    let turned = Stored { dtype: Dtype::F32, bytes: &bytes };
    assert_eq!(run(Linear::pack_transposed(&compute, turned, n_out, n_in, None)), expected);
}

#[test]
fn mixed_dtypes_are_widened() {
    let n_in = 37;
    let dtypes = [(Dtype::F16, 2), (Dtype::Bf16, 30), (Dtype::F32, 20)];
    let parts: Vec<(Vec<u8>, Vec<f32>)> =
        dtypes.iter().map(|&(dtype, n)| stored(dtype, &numbers(n * n_in, n as u64))).collect();
    let wide: Vec<f32> = parts.iter().flat_map(|(_, wide)| wide.iter().copied()).collect();
    for compute in each_isa() {
        let weights =
            parts.iter().zip(dtypes).map(|((bytes, _), (dtype, n))| (Stored { dtype, bytes }, n)).collect();
        let layer = Linear::in_place(weights, n_in, None);
        for i in [3, 20, 36] {
            let mut x = vec![0.0; n_in];
            x[i] = 1.0;
            let expected: Vec<f32> = wide.chunks(n_in).map(|row| row[i]).collect();
            let mut out = vec![0.0; 52];
            layer.forward(&compute, &x, 1, Epilogue::Store, &mut out);
            assert_eq!(out, expected, "{}, in place", compute.isa());
            layer.make_panels(&compute);
            layer.forward(&compute, &x, 1, Epilogue::Store, &mut out);
            assert_eq!(out, expected, "{}, packed", compute.isa());
        }
    }
}

#[test]
fn a_weight_that_is_not_finite_shows_in_a_product() {
    let (n_in, n_out) = (300, 100);
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            // The first, the last, and one whose number of x is zero.
            for at in [0, 45 * n_in + 128, n_in * n_out - 1] {
                let mut w = numbers(n_in * n_out, 3);
                let mut x = numbers(2 * n_in, 4);
                (x[128], x[n_in + 128]) = (0.0, 0.0);
                let relu = Epilogue::Activate(Activation::Relu); // which hides what is below zero
                let mut out = vec![0.0; 2 * n_out];
                for compute in each_isa() {
                    for (value, expected) in [(0.5, true), (bad, false)] {
                        w[at] = value;
                        let (bytes, _) = stored(dtype, &w);
                        let weight = Stored { dtype, bytes: &bytes };
                        let layer = Linear::in_place(vec![(weight, n_out)], n_in, None);
                        assert_eq!(layer.forward(&compute, &x, 2, relu, &mut out), expected, "{bad} at {at}");
                        layer.make_panels(&compute);
                        assert_eq!(layer.forward(&compute, &x, 2, relu, &mut out), expected, "{bad} at {at}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_16_bit_number_is_widened_exactly() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        // One input of 1: each output is its weight.
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let weight = Stored { dtype, bytes: &bytes };
        let expected = weight.to_f32();
        for compute in each_isa() {
            let layer = Linear::pack(&compute, weight, 1 << 16, 1, None);
            let mut out = vec![0.0; 1 << 16];
            layer.forward(&compute, &[1.0], 1, Epilogue::Store, &mut out);
            for (i, (got, expected)) in out.iter().zip(&expected).enumerate() {
                // A sum that starts at +0 turns -0 into it.
                assert!(
                    got == expected || got.is_nan() && expected.is_nan(),
                    "{dtype:?} {i:#06x}: {got}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_found() {
    let compute = Compute::new(2, Isa::detect());
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = numbers(1 << 20, 7);
            let (bytes, _) = stored(dtype, &x);
            assert!(Stored { dtype, bytes: &bytes }.all_finite(&compute));
            x[(1 << 20) - 1] = bad;
            let (bytes, _) = stored(dtype, &x);
            assert!(!Stored { dtype, bytes: &bytes }.all_finite(&compute), "{dtype:?} {bad}");
        }
    }
}

#[test]
fn softmax_of_extremes() {
    for compute in each_isa() {
        let inf = f32::INFINITY;
        let check = |scores: &[f32], expected: &[f32], expected_lse: f32| {
            let (mut pattern, mut lse) = (vec![f32::NAN; scores.len()], [f32::NAN]);
            softmax_rows(&compute, scores, 1, scores.len(), None, &mut pattern, Some(&mut lse));
            assert_eq!(pattern, expected, "{}: {scores:?}", compute.isa());
            assert_eq!(lse[0], expected_lse, "{}: {scores:?}", compute.isa());
        };
        check(&[3.0], &[1.0], 3.0);
        check(&[-inf, -inf, -inf], &[0.0, 0.0, 0.0], -inf);
        check(&[-inf, 2.0, -inf], &[0.0, 1.0, 0.0], 2.0);
        check(&[3e38, -3e38], &[1.0, 0.0], 3e38);
        check(&[-3e38, -3e38], &[0.5, 0.5], -3e38);
        check(&[1000.0, 900.0, 0.0], &[1.0, 0.0, 0.0], 1000.0);
        check(&[0.0; 64], &[1.0 / 64.0; 64], 64f32.ln());
        let (mut pattern, mut lse) = ([0.0; 3], [0.0]);
        softmax_rows(&compute, &[0.0, f32::NAN, 1.0], 1, 3, None, &mut pattern, Some(&mut lse));
        assert!(pattern.iter().any(|x| x.is_nan()), "a NaN does not vanish: {pattern:?}");
    }
}
