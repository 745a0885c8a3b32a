//! The kernels against plain loops in f64, on odd shapes, with every
//! instruction set that this machine has.

mod support;

use half::{bf16, f16};
use headscope_engine::kernels::{
    Activation, Arena, AsStored, Compute, Dtype, Epilogue, Isa, Linear, Pairing, Stored, Turns, add,
    clamped_gate, gate, layer_norm, layer_norm_part, rms_norm, rms_norm_part,
};
use proptest::prelude::*;
use std::num::FpCategory;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{EPS, bits, each_isa, numbers};

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
        quantised => unreachable!("{quantised:?} has tests of its own"),
    }
}

fn dtypes() -> impl Strategy<Value = Dtype> {
    prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)]
}

/// Rows that are multiplied without tiles where there are tiles.
const FEW: usize = 16;

/// Whether more rows than [`FEW`] are multiplied by tiles.
fn has_tiles(compute: &Compute) -> bool {
    compute.isa().to_string() == "amx"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn linear_is_a_product(
        rows in prop_oneof![1usize..20, 17usize..60, Just(129), Just(530)],
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
            layer.make_panels(&compute, &Arena::default());
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
        let part = first * width..(first + heads) * width;
        for compute in each_isa() {
            let layer = [false, true].map(|layer| {
                let (mut out, mut expected) = (x.clone(), x.clone());
                match layer {
                    false => rms_norm_part(&compute, &mut out, columns, part.clone(), &weight, 1e-6),
                    true => layer_norm_part(&compute, &mut out, columns, part.clone(), &weight, Some(&weight), 1e-6),
                }
                for row in expected.chunks_exact_mut(columns.max(1)) {
                    let ours = &mut row[part.clone()];
                    let mut normed = vec![0.0; ours.len()];
                    match layer {
                        false => rms_norm(&compute, ours, width, &weight, 1e-6, &mut normed),
                        true => layer_norm(&compute, ours, width, &weight, Some(&weight), 1e-6, &mut normed),
                    }
                    ours.copy_from_slice(&normed);
                }
                (bits(&out), bits(&expected))
            });
            for (out, expected) in layer {
                prop_assert_eq!(out, expected);
            }
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
    fn clamped_gates_are_products(count in prop_oneof![0usize..70, Just(5000)], seed: u64) {
        let x: Vec<f32> = numbers(2 * count, seed).iter().map(|x| x * 6.0).collect();
        let (alpha, limit) = (1.702f32, 2.5f32);
        for compute in each_isa() {
            let mut out = vec![f32::NAN; count];
            clamped_gate(&compute, &x, alpha, limit, &mut out);
            for (got, pair) in out.iter().zip(x.chunks_exact(2)) {
                let [gate, up] = [pair[0].min(limit), pair[1].clamp(-limit, limit)].map(f64::from);
                let expected = (up + 1.0) * gate / (1.0 + (-gate * f64::from(alpha)).exp());
                // The gain is rounded before it is taken the exponential of, and 1 added to what may be near -1.
                let bound = 10.0 * EPS * expected.abs() + EPS * gate.abs();
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
        pairing in prop_oneof![Just(Pairing::Halves), Just(Pairing::Neighbours)],
        seed: u64,
    ) {
        let width = 2 * pairs + beside;
        let columns = (vectors * width + rest).max(1);
        let frequencies: Vec<f32> = numbers(pairs, seed).iter().map(|x| x.abs()).collect();
        let x = numbers(tokens * columns, seed + 1);
        for compute in each_isa() {
            let mut out = x.clone();
            let turns = Turns::new(&compute, &frequencies, magnitude, 0..tokens).of(pairing);
            turns.apply(&compute, &mut out, columns, vectors, width);
            for (i, (&got, &was)) in out.iter().zip(&x).enumerate() {
                let (position, column) = (i / columns, i % columns);
                let within = if width == 0 { 0 } else { column % width };
                if column >= vectors * width || within >= 2 * pairs {
                    prop_assert_eq!(got.to_bits(), was.to_bits(), "column {} is not turned", column);
                    continue;
                }
                let (pair, is_first, apart) = match pairing {
                    Pairing::Halves => (within % pairs, within < pairs, pairs),
                    Pairing::Neighbours => (within / 2, within % 2 == 0, 1),
                };
                let angle = f64::from(position as f32 * frequencies[pair]);
                let (sign, other) = if is_first { (-1.0, i + apart) } else { (1.0, i - apart) };
                let turned = f64::from(was) * angle.cos() + sign * f64::from(x[other]) * angle.sin();
                let off = (f64::from(got) - turned * f64::from(magnitude)).abs();
                prop_assert!(off <= 4.0 * EPS, "{off:e} at {position}, {column}, {}", compute.isa());
            }
        }
    }
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
                let mut normed = vec![0.0; qkv.len()];
                layer_norm(&compute, &qkv, n_out, &[1.0; 150], None, 1e-5, &mut normed);
                let mut sum = vec![0.0; qkv.len()];
                add(&compute, &qkv, &normed, &mut sum);
                let mut hidden = vec![0.0; qkv.len() / 2];
                gate(&compute, &qkv, n_out / 2, Activation::Silu, &mut hidden);
                Turns::new(&compute, &[1.0, 0.3, 0.1], 1.0, 0..rows).apply(&compute, &mut qkv, n_out, 4, 25);
                [bits(&qkv), bits(&normed), bits(&sum), bits(&hidden)]
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
        let (few, all) = (run(FEW), run(200));
        for rows in [1, 2, 7, 8, 9, FEW, FEW + 1, 33, 130] {
            let same = if rows <= FEW && has_tiles(&compute) { &few } else { &all };
            assert_eq!(bits(&run(rows)), bits(&same[..rows * n_out]), "{}: {rows} rows", compute.isa());
        }
    }
}

/// A chain of 3,072 products loses five times what blocks of 128 lose.
#[test]
fn long_sums_lose_little() {
    let (rows, n_in, n_out) = (FEW + 8, 3072, 96);
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

#[test]
fn stacked_weights_are_the_same_layer() {
    let compute = Compute::new(2, Isa::detect());
    let (n_in, parts) = (77, [50, 3, 60]);
    let n_out: usize = parts.iter().sum();
    let w = numbers(n_out * n_in, 4);
    let x = numbers((FEW + 5) * n_in, 5);
    let run = |layer: Linear<Stored<'_>>| {
        [5, FEW + 5].map(|rows| {
            let mut out = vec![0.0; rows * n_out];
            layer.forward(&compute, &x[..rows * n_in], rows, Epilogue::Store, &mut out);
            bits(&out)
        })
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
    layer.make_panels(&compute, &Arena::default());
    assert_eq!(run(layer), expected);
}

/// Weights whose rows are copied, unless they cannot be.
struct InFile<'a> {
    weights: Stored<'a>,
    readable: bool,
    copied: &'a AtomicUsize,
}

impl AsStored for InFile<'_> {
    fn stored(&self) -> Stored<'_> {
        self.weights
    }

    fn copy_rows(&self, rows: Range<usize>, width: usize, to: &mut [u8]) -> bool {
        if self.readable || rows.is_empty() {
            to.copy_from_slice(self.weights.slice(rows.start * width..rows.end * width).bytes);
            self.copied.fetch_add(rows.len(), Ordering::Relaxed);
        }
        self.readable || rows.is_empty()
    }
}

#[test]
fn rows_that_are_copied_are_the_same_layer() {
    let (n_in, parts) = (177, [(Dtype::F32, 50), (Dtype::F16, 3), (Dtype::Bf16, 60)]);
    let x = numbers((FEW + 5) * n_in, 5);
    let bytes = parts.map(|(dtype, n)| stored(dtype, &numbers(n * n_in, n as u64)).0);
    for compute in each_isa() {
        let run = |layer: &dyn Fn(usize, &mut [f32])| {
            [1, 8, FEW + 5].map(|rows| {
                let mut out = vec![0.0; rows * 113];
                layer(rows, &mut out);
                bits(&out)
            })
        };
        let weights: Vec<_> =
            parts.iter().zip(&bytes).map(|(&(dtype, n), bytes)| (Stored { dtype, bytes }, n)).collect();
        let layer = Linear::in_place(weights.clone(), n_in, None);
        let expected = run(&|rows, out: &mut [f32]| {
            layer.forward(&compute, &x[..rows * n_in], rows, Epilogue::Store, out);
        });
        for unreadable in [None, Some(0), Some(2)] {
            let copied = AtomicUsize::new(0);
            let in_file = (weights.iter().enumerate()).map(|(i, &(weights, n))| {
                (InFile { weights, readable: unreadable != Some(i), copied: &copied }, n)
            });
            let layer = Linear::in_place(in_file.collect(), n_in, None);
            let found = run(&|rows, out: &mut [f32]| {
                layer.forward(&compute, &x[..rows * n_in], rows, Epilogue::Store, out);
            });
            assert_eq!(found, expected, "{}, all but {unreadable:?}", compute.isa());
            if unreadable.is_none() {
                assert_eq!(copied.into_inner(), 2 * 113, "{}: weights, for 8 and more rows", compute.isa());
            }
        }
    }
}

#[test]
fn weights_stored_by_input_are_the_same_layer() {
    for (n_in, n_out, rows) in [(1, 1, 1), (77, 113, 5), (128, 48, 1), (300, 49, 20), (259, 200, 9)] {
        let w = numbers(n_out * n_in, 4);
        let x = numbers(rows * n_in, 5);
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let (bytes, _) = stored(dtype, &w);
            let by_output = Stored { dtype, bytes: &bytes };
            let turned: Vec<f32> = (0..n_in * n_out).map(|i| w[i % n_out * n_in + i / n_out]).collect();
            // At an odd address, as a file may have it.
            let bytes: Vec<u8> = std::iter::once(0).chain(stored(dtype, &turned).0).collect();
            let by_input = Stored { dtype, bytes: &bytes[1..] };
            for compute in each_isa() {
                let run = |layer: &Linear<Stored<'_>>| {
                    let mut out = vec![0.0; rows * n_out];
                    layer.forward(&compute, &x, rows, Epilogue::Store, &mut out);
                    bits(&out)
                };
                let expected = run(&Linear::pack(&compute, by_output, n_out, n_in, None));
                let layer = Linear::by_input(by_input, n_out, n_in, None);
                assert_eq!(run(&layer), expected, "{n_out} x {n_in} {dtype:?} in place, {}", compute.isa());
                layer.make_panels(&compute, &Arena::default());
                assert_eq!(run(&layer), expected, "{n_out} x {n_in} {dtype:?} packed, {}", compute.isa());
            }
        }
    }
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
        for packed in [false, true] {
            if packed {
                layer.make_panels(&compute, &Arena::default());
            }
            for (i, rows) in [3, 20, 36].into_iter().flat_map(|i| [(i, 1), (i, FEW + 1)]) {
                let mut x = vec![0.0; rows * n_in];
                x[(rows - 1) * n_in + i] = 1.0;
                let expected: Vec<f32> = wide.chunks(n_in).map(|row| row[i]).collect();
                let mut out = vec![0.0; rows * 52];
                layer.forward(&compute, &x, rows, Epilogue::Store, &mut out);
                let last = &out[(rows - 1) * 52..];
                assert_eq!(last, expected, "{}, {rows} rows, packed: {packed}", compute.isa());
            }
        }
    }
}

#[test]
fn panels_share_an_arena_and_do_not_meet() {
    let (n_in, rows) = (300, 3);
    let x = numbers(rows * n_in, 1);
    let shapes =
        [(Dtype::F32, 700), (Dtype::F16, 49), (Dtype::Bf16, 1300), (Dtype::F32, 333), (Dtype::F32, 500)];
    let weights: Vec<Vec<u8>> =
        shapes.iter().map(|&(dtype, n_out)| stored(dtype, &numbers(n_out * n_in, n_out as u64)).0).collect();
    for compute in each_isa() {
        let layers: Vec<_> = (shapes.iter().zip(&weights))
            .map(|(&(dtype, n_out), bytes)| {
                Linear::in_place(vec![(Stored { dtype, bytes }, n_out)], n_in, None)
            })
            .collect();
        let run = |layer: &Linear<Stored<'_>>| {
            let mut out = vec![0.0; rows * layer.n_out()];
            layer.forward(&compute, &x, rows, Epilogue::Store, &mut out);
            bits(&out)
        };
        let expected: Vec<_> = layers.iter().map(run).collect();
        let bytes: usize = layers.iter().map(Linear::bytes_of_panels).sum();
        assert_eq!(bytes, (720 * 4 + 96 * 2 + 1344 * 2 + 336 * 4 + 528 * 4) * n_in);
        // Of huge pages, and with too little room for the last.
        let arena = Arena::new([bytes - 64]);
        layers.iter().for_each(|layer| layer.make_panels(&compute, &arena));
        drop(arena);
        assert_eq!(layers.iter().map(Linear::bytes_of_panels).sum::<usize>(), 0);
        assert_eq!(layers.iter().map(run).collect::<Vec<_>>(), expected, "{}", compute.isa());
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
                let relu = Epilogue::Activate(Activation::Relu); // which hides what is below zero
                for (compute, rows) in
                    each_isa().flat_map(|compute| [(compute.clone(), 2), (compute, FEW + 2)])
                {
                    let mut x = numbers(rows * n_in, 4);
                    x.chunks_mut(n_in).for_each(|row| row[128] = 0.0);
                    let mut out = vec![0.0; rows * n_out];
                    for (value, expected) in [(0.5, true), (bad, false)] {
                        w[at] = value;
                        let (bytes, _) = stored(dtype, &w);
                        let weight = Stored { dtype, bytes: &bytes };
                        let layer = Linear::in_place(vec![(weight, n_out)], n_in, None);
                        assert_eq!(
                            layer.forward(&compute, &x, rows, relu, &mut out),
                            expected,
                            "{bad} at {at}"
                        );
                        layer.make_panels(&compute, &Arena::default());
                        assert_eq!(
                            layer.forward(&compute, &x, rows, relu, &mut out),
                            expected,
                            "{bad} at {at}"
                        );
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
        for (compute, rows) in each_isa().flat_map(|compute| [(compute.clone(), 1), (compute, FEW + 1)]) {
            let tiles = rows > FEW && has_tiles(&compute);
            let layer = Linear::pack(&compute, weight, 1 << 16, 1, None);
            let mut out = vec![0.0; rows << 16];
            layer.forward(&compute, &vec![1.0; rows], rows, Epilogue::Store, &mut out);
            for (i, (got, expected)) in out[(rows - 1) << 16..].iter().zip(&expected).enumerate() {
                let expected = match expected.classify() {
                    // As bfloat16 alone can be: tiles take such numbers for zero.
                    FpCategory::Subnormal if tiles => 0.0,
                    // Times a part of 1 that is zero.
                    FpCategory::Infinite if tiles => f32::NAN,
                    _ => *expected,
                };
                // A sum that starts at +0 turns -0 into it.
                assert!(
                    *got == expected || got.is_nan() && expected.is_nan(),
                    "{}, {dtype:?} {i:#06x}: {got}, not {expected}",
                    compute.isa()
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
