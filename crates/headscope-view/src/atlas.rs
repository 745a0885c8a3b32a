//! One small picture of a pattern.

use std::ops::Range;

use headscope_trace::Tensor;

/// The largest side of a thumbnail, in cells.
const MAX_SIDE: usize = 32;

/// The side of the thumbnails of a text of so many tokens.
pub(crate) fn side(tokens: usize) -> usize {
    tokens.min(MAX_SIDE)
}

/// A pattern as `side · side` bytes: each cell is the largest weight under it on a square-root
/// scale, 255 for a weight of 1. The maximum keeps thin diagonals that a mean would wash out.
pub(crate) fn thumbnail(pattern: &Tensor) -> Vec<u8> {
    let tokens = pattern.shape()[0];
    let side = side(tokens);
    let cells = |i: usize| i * tokens / side..(i + 1) * tokens / side;
    let mut picture = Vec::with_capacity(side * side);
    for rows in (0..side).map(cells) {
        let largest: Vec<f32> = largest_by_column(pattern, rows);
        picture.extend(
            (0..side).map(cells).map(|cols| shade(largest[cols].iter().copied().fold(0.0, f32::max))),
        );
    }
    picture
}

fn largest_by_column(pattern: &Tensor, rows: Range<usize>) -> Vec<f32> {
    let mut largest = vec![0.0f32; pattern.shape()[1]];
    for row in rows {
        for (largest, weight) in largest.iter_mut().zip(pattern.row(row)) {
            *largest = largest.max(*weight);
        }
    }
    largest
}

fn shade(weight: f32) -> u8 {
    (weight.clamp(0.0, 1.0).sqrt() * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagonal_survives_at_any_size() {
        for tokens in [1, 5, 32, 33, 100] {
            let mut weights = vec![0.0; tokens * tokens];
            (0..tokens).for_each(|i| weights[i * tokens + i] = 1.0);
            let picture = thumbnail(&Tensor::new([tokens, tokens], weights));
            let side = side(tokens);
            assert_eq!(picture.len(), side * side);
            for (i, cell) in picture.iter().enumerate() {
                assert_eq!(*cell, if i % (side + 1) == 0 { 255 } else { 0 }, "{tokens} tokens, cell {i}");
            }
        }
    }
}
