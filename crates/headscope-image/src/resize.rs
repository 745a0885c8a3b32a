//! Resizing as Pillow does it, to the bit: each filter is widened by the factor of shrinking, its weights are
//! rounded to 22 bits, and the rows that the columns were mixed into are rounded to 8 bits before they are mixed.

use std::f64::consts::PI;

use crate::Image;

/// How the pixels around a place are weighted, by Pillow's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// All the same.
    Box,
    /// Less the further away.
    Bilinear,
    /// A raised cosine within a sinc.
    Hamming,
    /// A cubic with a = −0.5.
    Bicubic,
    /// A sinc within a sinc.
    Lanczos,
}

impl Filter {
    /// How far it reaches, in pixels of the larger image.
    fn reach(self) -> f64 {
        match self {
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let d = x.abs();
        match self {
            Filter::Box => f64::from(x > -0.5 && x <= 0.5),
            Filter::Bilinear if d < 1.0 => 1.0 - d,
            Filter::Hamming if d == 0.0 => 1.0,
            Filter::Hamming if d < 1.0 => {
                (d * PI).sin() / (d * PI) * (f64::from(0.54f32) + f64::from(0.46f32) * (d * PI).cos())
            }
            Filter::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Filter::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// The bits behind the point of a weight.
const BITS: u32 = 32 - 8 - 2;

/// What one place of the result is mixed from: the first place, and the weights of it and those after.
type Mix = (usize, Vec<i32>);

fn mixes(from: usize, to: usize, filter: Filter) -> Vec<Mix> {
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let reach = filter.reach() * widened;
    let mix = |place: usize| {
        let center = (place as f64 + 0.5) * scale;
        let start = (center - reach + 0.5).max(0.0) as usize;
        let end = ((center + reach + 0.5) as usize).min(from);
        let weights = (start..end).map(|x| filter.weight((x as f64 - center + 0.5) * (1.0 / widened)));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let share = |weight: f64| if sum == 0.0 { weight } else { weight / sum };
        let fixed =
            |weight: f64| (share(weight) * f64::from(1 << BITS) + 0.5f64.copysign(share(weight))) as i32;
        (start, weights.into_iter().map(fixed).collect())
    };
    (0..to).map(mix).collect()
}

/// A weighted sum as a byte.
fn mixed(weights: &[i32], pixels: impl Iterator<Item = u8>) -> u8 {
    let half = 1i32 << (BITS - 1);
    let sum = weights.iter().zip(pixels).fold(half, |sum, (w, pixel)| sum.wrapping_add(w * i32::from(pixel)));
    (sum >> BITS).clamp(0, 255) as u8
}

impl Image {
    /// The image in another size.
    pub fn resize(&self, height: usize, width: usize, filter: Filter) -> Image {
        let wide = |image: &Image| match width == image.width {
            true => image.clone(),
            false => image.resize_rows(width, filter),
        };
        let tall = |image: &Image| match height == image.height {
            true => image.clone(),
            false => image.resize_columns(height, filter),
        };
        // Pillow's order, of 13.0 and later; before, it began with the width always.
        let shrinks = |from: usize, to: usize| from as isize - to as isize;
        let (down, across) = (shrinks(self.height, height), shrinks(self.width, width));
        if down > 0 && down > 2 * across { wide(&tall(self)) } else { tall(&wide(self)) }
    }

    fn resize_rows(&self, width: usize, filter: Filter) -> Image {
        let mixes = mixes(self.width, width, filter);
        let mut rgb = Vec::with_capacity(self.height * width * 3);
        for row in self.rgb.chunks_exact(self.width * 3) {
            for (start, weights) in &mixes {
                let pixels = &row[start * 3..];
                rgb.extend([0, 1, 2].map(|c| mixed(weights, pixels.iter().skip(c).step_by(3).copied())));
            }
        }
        Image { height: self.height, width, rgb }
    }

    fn resize_columns(&self, height: usize, filter: Filter) -> Image {
        let stride = self.width * 3;
        let mut rgb = Vec::with_capacity(height * stride);
        for (start, weights) in mixes(self.height, height, filter) {
            let pixels = &self.rgb[start * stride..];
            rgb.extend((0..stride).map(|i| mixed(&weights, pixels.iter().skip(i).step_by(stride).copied())));
        }
        Image { height, width: self.width, rgb }
    }

    /// The upper left part of the image.
    pub fn corner(&self, height: usize, width: usize) -> Image {
        self.cut([0, 0], height, width)
    }

    /// A part of the image from a corner, which may lie outside: there it is black.
    pub(crate) fn cut(&self, [top, left]: [isize; 2], height: usize, width: usize) -> Image {
        let mut rgb = vec![0; height * width * 3];
        let inside =
            |at: usize, offset: isize, len: usize| at.checked_add_signed(offset).filter(|at| *at < len);
        for (y, row) in rgb.chunks_exact_mut((width * 3).max(1)).enumerate() {
            let Some(from_y) = inside(y, top, self.height) else { continue };
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                if let Some(from_x) = inside(x, left, self.width) {
                    pixel.copy_from_slice(&self.rgb[(from_y * self.width + from_x) * 3..][..3]);
                }
            }
        }
        Image { height, width, rgb }
    }
}
