//! A tensor as its file describes it, whatever the file's format.

use std::ops::Range;

use super::Bytes;
use crate::kernels::{AsStored, Dtype, Stored};

/// One tensor of a checkpoint, by the name that transformers gives it.
pub(super) struct Entry {
    pub name: String,
    /// As files spell it: `F32`, `BF16`, `Q4_K`.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Bytes,
    pub range: Range<usize>,
    pub order: Order,
}

/// In which order a matrix has its rows in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// That of the model.
    AsStored,
    /// The two halves of each head, which turn together, row by row: llama.cpp's order of queries and keys.
    Interleaved { d_head: usize },
}

impl Order {
    /// Where the file has row `row`.
    pub(super) fn place(self, row: usize) -> usize {
        match self {
            Order::AsStored => row,
            Order::Interleaved { d_head } => {
                let (head, within) = (row / d_head, row % d_head);
                let (half, pair) = (within / (d_head / 2), within % (d_head / 2));
                head * d_head + 2 * pair + half
            }
        }
    }
}

/// One tensor where it lies in its file.
#[derive(Clone)]
pub struct Weight {
    pub(super) bytes: Bytes,
    pub(super) range: Range<usize>,
    pub(super) dtype: Dtype,
    pub(super) order: Order,
}

impl Weight {
    /// Some of its numbers, of whole blocks.
    pub(super) fn slice(&self, numbers: Range<usize>) -> Weight {
        let start = self.range.start;
        let [from, to] = [numbers.start, numbers.end].map(|n| start + self.dtype.bytes(n));
        Weight { range: from..to, ..self.clone() }
    }
}

impl AsStored for Weight {
    fn stored(&self) -> Stored<'_> {
        Stored { dtype: self.dtype, bytes: &self.bytes[self.range.clone()] }
    }

    fn row(&self, row: usize, width: usize) -> Stored<'_> {
        let row = self.order.place(row);
        self.stored().slice(row * width..(row + 1) * width)
    }

    fn copy_rows(&self, rows: Range<usize>, width: usize, to: &mut [u8]) -> bool {
        // Quantised ones are never packed: page by page, they are mapped once and for all.
        let from = self.range.start + self.dtype.bytes(rows.start * width);
        self.order == Order::AsStored && !self.dtype.is_quantised() && self.bytes.copy(from, to)
    }

    fn hardly_needed(&self) {
        self.bytes.hardly_needed(&self.range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back_in_halves() {
        // Two heads of six, as llama.cpp writes them: 0 3 1 4 2 5.
        let stored = [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11];
        let order = Order::Interleaved { d_head: 6 };
        let back: Vec<usize> = (0..12).map(|row| stored[order.place(row)]).collect();
        assert_eq!(back, (0..12).collect::<Vec<_>>());
    }
}
