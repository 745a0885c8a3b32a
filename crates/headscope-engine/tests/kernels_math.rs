//! Errors of the vector functions in units in the last place, over dense sweeps.

use headscope_engine::kernels::{Activation, Compute, Isa, softmax_rows};

/// Every f32 between two numbers of one sign, `step` bit patterns apart.
fn sweep(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    (from.to_bits()..=to.to_bits()).step_by(step).map(f32::from_bits)
}

/// Distance in units in the last place of the f32 nearest to `expected`.
fn ulps(got: f32, expected: f64) -> f64 {
    let nearest = expected as f32;
    let exponent = nearest.abs().max(f32::MIN_POSITIVE).log2().floor() as i32;
    (f64::from(got) - expected).abs() / 2f64.powi(exponent - 23)
}

fn worst(got: &[f32], x: &[f32], exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let normal = 100.0 * f64::from(f32::MIN_POSITIVE);
    got.iter()
        .zip(x)
        .map(|(&got, &x)| (got, x, exact(f64::from(x))))
        .filter(|(_, _, expected)| expected.abs() >= normal && expected.abs() < f64::from(f32::MAX))
        .map(|(got, x, expected)| (ulps(got, expected), x))
        .fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

/// `Φ(-t)` in double precision: the series of erf near zero, the continued
/// fraction of erfc beyond.
fn normal_tail(t: f64) -> f64 {
    let z = t / std::f64::consts::SQRT_2;
    if z < 2.5 {
        let mut term = z;
        let mut sum = z;
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 0.5 - sum / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..=120).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
    (-z * z).exp() / (2.0 * fraction * std::f64::consts::PI.sqrt())
}

fn gelu(x: f64) -> f64 {
    if x < 0.0 { x * normal_tail(-x) } else { x - x * normal_tail(x) }
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

#[test]
fn activations_are_within_a_few_ulps() {
    let step = 997;
    let positive: Vec<f32> = sweep(1e-20, 90.0, step).collect();
    let negative: Vec<f32> = positive.iter().map(|x| -x).collect();
    let c = (2.0 / std::f64::consts::PI).sqrt();
    let gelu_tanh = move |x: f64| x * sigmoid(2.0 * c * (x + 0.044_715 * x * x * x));
    // Bounds for positive and negative numbers; without fused multiply-add
    // functions round once more.
    type Row<'a> = (Activation, &'a dyn Fn(f64) -> f64, f64, f64);
    let rows: [Row; 6] = [
        (Activation::Gelu, &gelu, 1.6, 4.0),
        (Activation::GeluTanh, &gelu_tanh, 3.0, 250.0),
        (Activation::Silu, &|x| x * sigmoid(x), 2.5, 2.5),
        (Activation::Sigmoid, &sigmoid, 2.5, 2.5),
        (Activation::Tanh, &f64::tanh, 2.0, 2.0),
        (Activation::Relu, &|x| x.max(0.0), 0.0, 0.0),
    ];
    for isa in Isa::available() {
        let compute = Compute::new(2, isa);
        for (activation, exact, above, below) in &rows {
            for (x, bound) in [(&positive, above), (&negative, below)] {
                let mut got = x.clone();
                activation.apply(&compute, &mut got);
                let (error, at) = worst(&got, x, exact);
                println!("{isa} {activation:?}: {error:.3} ulp at {at}");
                assert!(error <= *bound, "{isa} {activation:?}({at}): {error} ulp, more than {bound}");
            }
        }
    }
}

/// A row of a large score and others shows exp of their differences, up to the division by
/// their sum, which rounds once or twice more.
#[test]
fn exp_is_within_one_ulp() {
    const WIDTH: usize = 1 << 16;
    let dense = sweep(0.25, 64.0, 7).chain(sweep(1e-9, 0.25, 997)).chain(sweep(64.0, 86.6, 7));
    let x: Vec<f32> = dense.map(|x| -x).collect();
    for isa in Isa::available() {
        let compute = Compute::new(2, isa);
        let mut worst_of_all = (0.0, 0.0);
        for x in x.chunks(WIDTH) {
            let (mut pattern, mut lse) = (vec![0.0; x.len() + 1], [0.0]);
            let scores: Vec<f32> = std::iter::once(0.0).chain(x.iter().copied()).collect();
            softmax_rows(&compute, &scores, 1, scores.len(), None, &mut pattern, Some(&mut lse));
            let sum: f64 = 1.0 + x.iter().map(|&x| f64::from(x).exp()).sum::<f64>();
            assert!(
                (f64::from(lse[0]) - sum.ln()).abs() < 1e-7 * sum.ln().max(1.0),
                "{isa}: sum of exponentials"
            );
            let found = worst(&pattern[1..], x, |x| x.exp() / sum);
            if found.0 > worst_of_all.0 || found.0.is_nan() {
                worst_of_all = found;
            }
        }
        let (error, at) = worst_of_all;
        println!("{isa} softmax: {error:.3} ulp at {at}");
        assert!(error <= 2.1, "{isa}: {error} ulp at {at}");
    }
}

#[test]
fn activations_of_extremes() {
    for isa in Isa::available() {
        let compute = Compute::new(1, isa);
        let run = |activation: Activation, x: f32| {
            let mut x = [x];
            activation.apply(&compute, &mut x);
            x[0]
        };
        use Activation::*;
        for f in [Gelu, GeluTanh, QuickGelu, Silu, Relu, Tanh, Sigmoid] {
            assert!(run(f, f32::NAN).is_nan(), "{isa} {f:?} of NaN is {}", run(f, f32::NAN));
        }
        for f in [Gelu, GeluTanh, QuickGelu, Silu, Relu] {
            assert_eq!(run(f, 1e30), 1e30, "{isa} {f:?}");
            assert_eq!(run(f, 0.0), 0.0, "{isa} {f:?}");
            let low = run(f, -1e30);
            assert!(low == 0.0, "{isa} {f:?}(-1e30) is {low}");
        }
        assert_eq!((run(Tanh, 1e30), run(Tanh, -1e30)), (1.0, -1.0));
        assert_eq!((run(Sigmoid, 1e30), run(Sigmoid, -1e30)), (1.0, 0.0));
    }
}
