//! A panel of a matrix that is stored `[in, out]`, still in its file: a row has the weights of one
//! input side by side, as a panel does, so that a block need not be turned, only gathered.
#![allow(unsafe_code)] // Registers read and written through pointers, each checked just before.

use super::buffer::LINE;
use super::panel::{Bf16, DEPTH, F16, Number, PANEL};
use super::simd::Simd;
use super::{Dtype, Stored};

/// Up to [`PANEL`] columns of a matrix with a row for each input.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    /// The whole matrix.
    pub(super) matrix: Stored<'a>,
    /// The width of its rows.
    pub(super) n_out: usize,
    /// The first column.
    pub(super) first: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl Columns<'_> {
    /// Bytes of so many numbers, for prefetching.
    fn bytes(&self, numbers: usize) -> usize {
        let (block, bytes) = self.matrix.dtype.block();
        numbers * bytes / block
    }

    /// How many lines of memory the weights of an input take, wherever they begin, as a power of two: for
    /// prefetching.
    pub(super) fn log2_lines(&self) -> u32 {
        (self.bytes(PANEL) / LINE + 1).next_power_of_two().ilog2()
    }

    /// Where the weights of input `i` begin, or would begin: for prefetching.
    pub(super) fn address(&self, i: usize) -> *const u8 {
        self.matrix.bytes.as_ptr().wrapping_add(self.bytes(i * self.n_out + self.first))
    }

    /// How many bytes the weights of an input lie below those of the one before: for prefetching.
    pub(super) fn stride(&self) -> usize {
        self.bytes(self.n_out)
    }

    /// Where the panel begins that comes so many later, or would begin: for prefetching.
    pub(super) fn later(&self, panels: usize) -> *const u8 {
        self.address(0).wrapping_add(self.bytes(panels * PANEL))
    }

    /// Makes a block of a panel from the weights of inputs `from..from + depth`, widened exactly.
    ///
    /// Writes the first `columns` numbers of each row; those that the matrix does not have are zero.
    ///
    /// # Panics
    /// When the block is larger than `DEPTH x PANEL` or the matrix ends before it does.
    #[inline(always)]
    pub(super) fn gather<S: Simd>(
        &self,
        simd: S,
        from: usize,
        depth: usize,
        columns: usize,
        block: &mut [f32],
    ) {
        assert!(depth <= DEPTH && columns <= PANEL && block.len() >= DEPTH * PANEL, "room for the block");
        for (i, to) in block.chunks_exact_mut(PANEL).take(depth).enumerate() {
            let at = (from + i) * self.n_out + self.first;
            let (to, beyond) = to[..columns].split_at_mut(self.count);
            let row = || self.matrix.slice(at..at + self.count);
            match self.matrix.dtype {
                Dtype::F32 => widen::<S, f32>(simd, row(), to),
                Dtype::F16 => widen::<S, F16>(simd, row(), to),
                Dtype::Bf16 => widen::<S, Bf16>(simd, row(), to),
                _ => self.matrix.widen(at..at + self.count, to),
            }
            beyond.fill(0.0);
        }
    }
}

/// Widens a row, whose dtype is that of `N`, exactly.
#[inline(always)]
fn widen<S: Simd, N: Number>(simd: S, row: Stored, to: &mut [f32]) {
    assert!(row.bytes.len() >= to.len() * size_of::<N>(), "as many numbers as there is room for");
    let whole = to.len() / S::LANES * S::LANES;
    for lane in (0..whole).step_by(S::LANES) {
        // SAFETY: `lane + S::LANES` numbers are in `row` and in `to`, at any alignment.
        unsafe {
            let wide = N::load(simd, row.bytes.as_ptr().cast::<N>().add(lane));
            simd.store(to.as_mut_ptr().add(lane), wide);
        }
    }
    row.widen(whole..to.len(), &mut to[whole..]);
}
