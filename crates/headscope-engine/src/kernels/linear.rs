//! `y = x Wᵀ + b`.
use super::{Compute, Stored, for_each_part};

/// A linear layer.
pub struct Linear {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    n_in: usize,
    n_out: usize,
}

/// What happens to a product before it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing.
    Store,
    /// A function of each element.
    Activate(Activation),
    /// `[rows, n_out]` is added: the residual stream.
    Add(&'a [f32]),
}

/// A function of one number, as models use between two layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Activation {
    /// `x Φ(x)`, the exact form, by erf.
    Gelu,
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`.
    GeluTanh,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
    /// `x sigmoid(x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

impl Activation {
    /// Applies the function to every element.
    pub fn apply(self, compute: &Compute, x: &mut [f32]) {
        for_each_part(compute, x, 4096, |_, part| part.iter_mut().for_each(|x| *x = self.of(*x)));
    }

    fn of(self, x: f32) -> f32 {
        let y = f64::from(x);
        let sigmoid = |y: f64| 1.0 / (1.0 + (-y).exp());
        (match self {
            Activation::Gelu => 0.5 * y * erfc(-y / std::f64::consts::SQRT_2),
            Activation::GeluTanh => y * sigmoid(2.0 * 0.797_884_560_802_865_4 * (y + 0.044_715 * y * y * y)),
            Activation::QuickGelu => y * sigmoid(1.702 * y),
            Activation::Silu => y * sigmoid(y),
            Activation::Relu => y.max(0.0),
            Activation::Tanh => y.tanh(),
            Activation::Sigmoid => sigmoid(y),
        }) as f32
    }
}

fn erfc(x: f64) -> f64 {
    // Simpson's rule; only until the vector code stands.
    let t = x.abs().min(7.0);
    let n = 64;
    let h = t / f64::from(n);
    let g = |u: f64| (-u * u).exp();
    let sum: f64 = (0..n)
        .map(|i| {
            let a = f64::from(i) * h;
            h / 6.0 * (g(a) + 4.0 * g(a + h / 2.0) + g(a + h))
        })
        .sum();
    1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI * x.signum()
}

impl Linear {
    /// Packs a weight matrix `[n_out, n_in]`.
    #[must_use]
    pub fn pack(
        compute: &Compute,
        weight: Stored,
        n_out: usize,
        n_in: usize,
        bias: Option<Vec<f32>>,
    ) -> Linear {
        Linear::pack_many(compute, &[(weight, n_out)], n_in, bias)
    }

    /// Packs several matrices `[n_out, n_in]` stacked: one product gives all their columns side by side.
    #[must_use]
    pub fn pack_many(
        _compute: &Compute,
        weights: &[(Stored, usize)],
        n_in: usize,
        bias: Option<Vec<f32>>,
    ) -> Linear {
        let n_out = weights.iter().map(|w| w.1).sum();
        let weight: Vec<f32> = weights.iter().flat_map(|w| w.0.to_f32()).collect();
        assert_eq!(weight.len(), n_out * n_in);
        assert!(bias.as_ref().is_none_or(|b| b.len() == n_out));
        Linear { weight, bias, n_in, n_out }
    }

    /// Packs a matrix stored `[n_in, n_out]`, as GPT-2's layers are.
    #[must_use]
    pub fn pack_transposed(
        _compute: &Compute,
        weight: Stored,
        n_out: usize,
        n_in: usize,
        bias: Option<Vec<f32>>,
    ) -> Linear {
        let w = weight.to_f32();
        assert_eq!(w.len(), n_out * n_in);
        let weight = (0..n_out * n_in).map(|i| w[(i % n_in) * n_out + i / n_in]).collect();
        Linear { weight, bias, n_in, n_out }
    }

    /// Columns of the input.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Columns of the output.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// `out = epilogue(x Wᵀ + b)`: x `[rows, n_in]`, out `[rows, n_out]`.
    pub fn forward(&self, compute: &Compute, x: &[f32], rows: usize, epilogue: Epilogue, out: &mut [f32]) {
        assert_eq!(x.len(), rows * self.n_in);
        assert_eq!(out.len(), rows * self.n_out);
        for_each_part(compute, out, self.n_out, |row, out| {
            let x = &x[row * self.n_in..][..self.n_in];
            for (j, out) in out.iter_mut().enumerate() {
                let w = &self.weight[j * self.n_in..][..self.n_in];
                let y = dot(x, w) + self.bias.as_ref().map_or(0.0, |b| b[j]);
                *out = match epilogue {
                    Epilogue::Store => y,
                    Epilogue::Activate(a) => a.of(y),
                    Epilogue::Add(r) => y + r[row * self.n_out + j],
                };
            }
        });
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a16, ar) = a.as_chunks::<16>();
    let (b16, br) = b.as_chunks::<16>();
    for (a, b) in a16.iter().zip(b16) {
        for i in 0..16 {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum::<f32>() + ar.iter().zip(br).map(|(a, b)| a * b).sum::<f32>()
}
