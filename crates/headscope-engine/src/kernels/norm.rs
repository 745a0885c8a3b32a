//! Norms and sums of rows.
use super::Compute;
use super::share::for_each_part;

/// `(x - mean) / sqrt(var + eps) * weight + bias` of each row.
pub fn layer_norm(
    compute: &Compute,
    x: &[f32],
    width: usize,
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) {
    for_each_part(compute, out, width, |row, out| {
        let x = &x[row * width..][..width];
        let n = width as f64;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let var = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        let inv = 1.0 / (var + f64::from(eps)).sqrt();
        for (j, o) in out.iter_mut().enumerate() {
            *o = ((f64::from(x[j]) - mean) * inv * f64::from(weight[j])
                + f64::from(bias.map_or(0.0, |b| b[j]))) as f32;
        }
    });
}

/// `x / sqrt(mean(x²) + eps) * weight` of each row.
pub fn rms_norm(compute: &Compute, x: &[f32], width: usize, weight: &[f32], eps: f32, out: &mut [f32]) {
    for_each_part(compute, out, width, |row, out| {
        let x = &x[row * width..][..width];
        let ms = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / width as f64;
        let inv = 1.0 / (ms + f64::from(eps)).sqrt();
        for (j, o) in out.iter_mut().enumerate() {
            *o = (f64::from(x[j]) * inv * f64::from(weight[j])) as f32;
        }
    });
}

/// `out = a + b`, element by element.
pub fn add(compute: &Compute, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() == out.len());
    for_each_part(compute, out, 1 << 14, |part, out| {
        let from = part << 14;
        let (a, b) = (&a[from..], &b[from..]);
        out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o = a + b);
    });
}
