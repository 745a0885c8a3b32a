//! What models that see are made of: patches, a table of positions on a grid, layer scales.

use std::borrow::Cow;

use headscope_trace::{Point, Tensor};

use super::Linear;
use crate::kernels;
use crate::probe::Pass;

/// The patches of an image through one linear map: a convolution whose stride is its kernel's size.
pub struct Patches {
    /// From `channels · height · width` numbers of a patch to the width of the model.
    pub projection: Linear,
    /// Rows and columns of a patch.
    pub patch: [usize; 2],
}

impl Patches {
    /// `[channels, height, width]` → `[rows · columns, width]`. Rows and columns of pixels that fill no patch
    /// are left out.
    pub fn forward(&self, pixels: &Tensor, pass: &Pass<'_>) -> Tensor {
        let &[channels, height, width] = pixels.shape() else { unreachable!("checked before the pass") };
        let [patch_height, patch_width] = self.patch;
        let (rows, columns) = (height / patch_height, width / patch_width);
        let mut unfolded = pass.blank(&[rows * columns, channels * patch_height * patch_width]);
        let mut out = unfolded.values_mut().chunks_exact_mut(patch_width);
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for (channel, y) in (0..channels).flat_map(|c| (0..patch_height).map(move |y| (c, y))) {
                let from = (channel * height + row * patch_height + y) * width + column * patch_width;
                let line = &pixels[from..from + patch_width];
                out.next().into_iter().for_each(|out| out.copy_from_slice(line));
            }
        }
        self.projection.forward(&unfolded, pass)
    }
}

/// A learned vector for each place of a grid.
pub struct PlaceTable {
    /// `[rows · columns, width]`.
    pub values: Vec<f32>,
    /// The rows and columns it was trained with.
    pub grid: [usize; 2],
    /// The width of the model.
    pub width: usize,
}

impl PlaceTable {
    /// The table stretched to another grid, bicubically, as PyTorch does without aligned corners (a = −0.75)
    /// and in f32 like it.
    pub fn stretched(&self, grid: [usize; 2]) -> Cow<'_, [f32]> {
        if grid == self.grid {
            return Cow::Borrowed(&self.values); // the taps of equal grids are 0, 1, 0, 0
        }
        let [rows, columns] = [0, 1].map(|axis| taps(self.grid[axis], grid[axis]));
        let mut out = Vec::with_capacity(grid[0] * grid[1] * self.width);
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
            let vector =
                |y: usize, x: usize| &self.values[(y * self.grid[1] + x) * self.width..][..self.width];
            out.extend((0..self.width).map(|i| {
                let of_row = |y| column.iter().map(|&(x, weight)| vector(y, x)[i] * weight).sum::<f32>();
                row.iter().map(|&(y, weight)| of_row(y) * weight).sum::<f32>()
            }));
        }
        Cow::Owned(out)
    }
}

/// For each of `to` places, the four of `from` places that it is mixed from, and their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    const A: f32 = -0.75;
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let scale = from as f32 / to as f32;
    let tap = |place: usize| {
        let at = scale * (place as f32 + 0.5) - 0.5;
        let t = at - at.floor();
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        let first = at.floor() as isize - 1;
        std::array::from_fn(|i| ((first + i as isize).clamp(0, from as isize - 1) as usize, weights[i]))
    };
    (0..to).map(tap).collect()
}

/// A factor for each dimension of what a sublayer adds (arXiv 2103.17239).
pub struct LayerScale(pub Vec<f32>);

impl LayerScale {
    /// `residual + factors · addend`, where the second term is what `point` names.
    pub fn add_to(&self, residual: &Tensor, mut addend: Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        for row in addend.values_mut().chunks_exact_mut(self.0.len()) {
            row.iter_mut().zip(&self.0).for_each(|(value, factor)| *value *= factor);
        }
        let addend = pass.tap(point, addend);
        let mut sum = pass.blank(addend.shape());
        kernels::add(pass.compute, residual, &addend, sum.values_mut());
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_table_keeps_a_constant_and_its_own_grid() {
        let table = PlaceTable { values: vec![3.0; 12], grid: [2, 3], width: 2 };
        // Sixteen products of about 3 are added up in f32.
        assert!(table.stretched([5, 4]).iter().all(|value| (value - 3.0).abs() < 3e-6));
        let table = PlaceTable { values: (0..12u8).map(f32::from).collect(), grid: [2, 3], width: 2 };
        assert_eq!(*table.stretched([2, 3]), *table.values);
    }

    /// From torch.nn.functional.interpolate([0, 1, 4, 9], size=6, mode="bicubic"), along one axis.
    #[test]
    fn a_stretched_row_is_pytorchs() {
        let table = PlaceTable { values: vec![0.0, 1.0, 4.0, 9.0], grid: [1, 4], width: 1 };
        let expected = [-0.086_805_58, 0.218_75, 1.430_555, 3.152_777_7, 6.781_25, 9.434_029];
        for (found, expected) in table.stretched([1, 6]).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
    }
}
