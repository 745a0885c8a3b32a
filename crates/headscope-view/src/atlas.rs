//! One small picture of a pattern.

use std::ops::Range;

use headscope_trace::Tensor;

/// The largest side of a thumbnail, in cells.
const MAX_SIDE: usize = 32;

/// The side of the thumbnails of a text of so many tokens.
pub(crate) fn side(tokens: usize) -> usize {
    tokens.min(MAX_SIDE)
}

/// A pattern as bytes, in the upper left of a square of `room · room`: a row of cells for each side of the
/// queries, a column for each of the keys. Each cell is the largest weight under it on a square-root
/// scale, 255 for a weight of 1. The maximum keeps thin diagonals that a mean would wash out.
pub(crate) fn thumbnail(pattern: &Tensor, room: usize) -> Vec<u8> {
    let [queries, keys] = [pattern.shape()[0], pattern.shape()[1]];
    let mut picture = vec![0; room * room];
    for (row, out) in picture.chunks_exact_mut(room).take(side(queries)).enumerate() {
        let largest = largest_by_column(pattern, under(row, queries));
        for (column, out) in out.iter_mut().take(side(keys)).enumerate() {
            *out = shade(largest[under(column, keys)].iter().copied().fold(0.0, f32::max));
        }
    }
    picture
}

/// The tokens, of so many, that the `i`-th cell of a side stands for.
fn under(i: usize, tokens: usize) -> Range<usize> {
    let side = side(tokens);
    i * tokens / side..(i + 1) * tokens / side
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
            let side = side(tokens);
            let picture = thumbnail(&Tensor::new([tokens, tokens], weights), side);
            assert_eq!(picture.len(), side * side);
            for (i, cell) in picture.iter().enumerate() {
                assert_eq!(*cell, if i % (side + 1) == 0 { 255 } else { 0 }, "{tokens} tokens, cell {i}");
            }
        }
    }
    #[test]
    fn two_texts_of_different_lengths_leave_room() {
        let picture = thumbnail(&Tensor::new([2, 3], vec![0.0, 1.0, 0.0, 0.25, 0.0, 0.0]), 4);
        assert_eq!(picture, [0, 255, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
