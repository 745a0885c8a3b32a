//! Rotary positions: pairs of dimensions turned by an angle that grows with the position.

use std::ops::Range;

use super::Compute;
use super::share::for_each_part;
use super::simd::{Kernel, Simd};

/// Numbers of a task.
const TASK: usize = 1 << 13;

/// Which dimensions turn with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pairing {
    /// Dimension `i` with dimension `i + pairs`.
    Halves,
    /// Dimension `2 i` with dimension `2 i + 1`.
    Neighbours,
}

/// The cosines and sines of each position, for every layer of a pass.
pub struct Turns {
    /// `[tokens, pairs]` of cosines, `[tokens, pairs]` of sines: a row each, side by side.
    rows: Vec<f32>,
    pairs: usize,
    pairing: Pairing,
}

impl Turns {
    /// The turns of these positions, by `position * frequency` radians for each frequency;
    /// what is turned becomes `magnitude` times as long.
    ///
    /// Angles are rounded to f32, as models have seen them in training; their cosines and sines are
    /// computed in f64 and rounded once.
    #[must_use]
    pub fn new(compute: &Compute, frequencies: &[f32], magnitude: f32, positions: Range<usize>) -> Turns {
        let pairs = frequencies.len();
        let mut rows = vec![0.0; 2 * positions.len() * pairs];
        for_each_part(compute, &mut rows, 2 * pairs, |i, row| {
            let position = positions.start + i;
            let (cos, sin) = row.split_at_mut(pairs);
            for ((cos, sin), frequency) in cos.iter_mut().zip(sin).zip(frequencies) {
                let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                (*cos, *sin) = (c as f32 * magnitude, s as f32 * magnitude);
            }
        });
        Turns { rows, pairs, pairing: Pairing::Halves }
    }

    /// The same turns, of other pairs.
    #[must_use]
    pub fn of(self, pairing: Pairing) -> Turns {
        Turns { pairing, ..self }
    }

    /// Turns vectors in place. x holds rows of `columns`, one for each position; a row begins with
    /// `vectors` vectors of `width`. Dimensions beyond the pairs stay as they are.
    ///
    /// # Panics
    /// When x has not one row for each position, or vectors or pairs do not fit.
    pub fn apply(&self, compute: &Compute, x: &mut [f32], columns: usize, vectors: usize, width: usize) {
        let size = 2 * self.pairs;
        assert!(size <= width && vectors * width <= columns, "pairs in vectors in a row");
        if size == 0 || x.is_empty() {
            return;
        }
        assert_eq!(x.len() * size, self.rows.len() * columns, "a row for each position");
        let rows = (TASK / columns).max(1);
        for_each_part(compute, x, rows * columns, |part, x| {
            let turns = &self.rows[part * rows * size..];
            let Turns { pairs, pairing, .. } = *self;
            compute.isa().run(Rotate { x, columns, vectors, width, turns, pairs, pairing });
        });
    }
}

/// Some rows.
struct Rotate<'a> {
    x: &'a mut [f32],
    columns: usize,
    vectors: usize,
    width: usize,
    turns: &'a [f32],
    pairs: usize,
    pairing: Pairing,
}

impl Kernel for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Rotate { x, columns, vectors, width, turns, pairs, pairing } = self;
        for (row, turns) in x.chunks_exact_mut(columns).zip(turns.chunks_exact(2 * pairs)) {
            let (cos, sin) = turns.split_at(pairs);
            for vector in row[..vectors * width].chunks_exact_mut(width) {
                let vector = &mut vector[..2 * pairs];
                match pairing {
                    Pairing::Halves => {
                        let (first, second) = vector.split_at_mut(pairs);
                        for (((a, b), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                            (*a, *b) = turned(*a, *b, cos, sin);
                        }
                    }
                    Pairing::Neighbours => {
                        let (pairs, _) = vector.as_chunks_mut::<2>();
                        for ((pair, &cos), &sin) in pairs.iter_mut().zip(cos).zip(sin) {
                            *pair = turned(pair[0], pair[1], cos, sin).into();
                        }
                    }
                }
            }
        }
    }
}

/// Products of f32 are exact in f64, so that a result is rounded once.
#[inline(always)]
fn turned(x: f32, y: f32, cos: f32, sin: f32) -> (f32, f32) {
    let [x, y, cos, sin] = [x, y, cos, sin].map(f64::from);
    ((x * cos - y * sin) as f32, (y * cos + x * sin) as f32)
}
