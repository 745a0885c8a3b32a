//! A panel whose weights still lie in their file: turned, a block at a time, just before use.
//!
//! A file has the weights of an output side by side, a panel those of an input. What a block
//! needs is 48 pieces of rows, thousands of bytes apart. Sixteen rows at a time, squares of
//! 16 x 16 numbers are turned in registers and written into 24 KiB of scratch, where the register
//! tile finds them as it would in a panel: so the results are those of packed weights to the bit.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Registers read and written through pointers, each checked just before.

use super::buffer::LINE;
use super::panel::{Bf16, DEPTH, F16, GROUP, Number, PANEL, turn};
use super::simd::Simd;
use super::{Dtype, Stored, quantised};

/// The weights of [`PANEL`] outputs, each a row of a file.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a>([Stored<'a>; PANEL]);

/// Sixteen numbers of each of sixteen rows.
type Square = [[f32; GROUP]; GROUP];

impl<'a> Rows<'a> {
    /// Up to [`PANEL`] rows of equal length. Of fewer the last is repeated: nobody will look at
    /// the columns that it gives.
    pub(super) fn new(rows: impl Iterator<Item = Stored<'a>>) -> Rows<'a> {
        let mut all = [Stored { dtype: Dtype::F32, bytes: &[] }; PANEL];
        let mut count = 0;
        for (place, row) in all.iter_mut().zip(rows) {
            *place = row;
            count += 1;
        }
        if count > 0 {
            let last = all[count - 1];
            all[count..].fill(last);
        }
        Rows(all)
    }

    /// How each row is stored.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn dtypes(&self) -> impl Iterator<Item = Dtype> {
        self.0.iter().map(|row| row.dtype)
    }

    /// How many lines of memory a row of a block takes, as a power of two: for prefetching.
    pub(super) fn log2_lines(&self) -> u32 {
        let (numbers, bytes) = self.0[0].dtype.block();
        (DEPTH * bytes).div_ceil(numbers * LINE).next_power_of_two().ilog2()
    }

    /// Where the first row has its weight `i`, or would have it: for prefetching.
    pub(super) fn address(&self, i: usize) -> *const u8 {
        let (numbers, bytes) = self.0[0].dtype.block();
        self.0[0].bytes.as_ptr().wrapping_add(i * bytes / numbers)
    }

    /// How many bytes a row lies below the one before, but where two matrices meet: for prefetching.
    pub(super) fn stride(&self) -> usize {
        self.0[1].bytes.as_ptr().addr().wrapping_sub(self.0[0].bytes.as_ptr().addr())
    }

    /// Makes a block of a panel from weights `from..from + depth` of the rows: for each input its
    /// weights side by side, [`PANEL`] numbers from those of the next, widened exactly.
    ///
    /// Writes whole squares: the first `columns`, a multiple of [`GROUP`], and up to 15 inputs too
    /// many, of anything.
    ///
    /// # Panics
    /// When the block is larger than `DEPTH x PANEL` or the rows end before it does.
    #[inline(always)]
    pub(super) fn turn<S: Simd>(
        &self,
        simd: S,
        from: usize,
        depth: usize,
        columns: usize,
        block: &mut [f32],
    ) {
        assert!(depth <= DEPTH && columns <= PANEL && block.len() >= DEPTH * PANEL, "room for the block");
        let mut square = [[0.0; GROUP]; GROUP];
        for first in (0..columns).step_by(GROUP) {
            let rows = &self.0[first..first + GROUP];
            let dtype = rows[0].dtype;
            if rows
                .iter()
                .all(|row| row.dtype.is_quantised() && depth.is_multiple_of(quantised::step(row.dtype)))
            {
                turn_quantised(simd, rows, from, depth, &mut block[first..]);
                continue;
            }
            let alike = rows.iter().all(|row| row.dtype == dtype);
            let mut places = [std::ptr::null(); GROUP];
            for r in 0..GROUP {
                places[r] = rows[r].slice(from..from + depth).bytes.as_ptr();
            }
            let whole = if alike && !dtype.is_quantised() { depth / GROUP * GROUP } else { 0 };
            for i in (0..whole).step_by(GROUP) {
                let to = &mut block[i * PANEL + first..];
                // SAFETY: `slice` found `depth` numbers in each row, and `i + GROUP` is at most `depth`.
                unsafe {
                    match dtype {
                        Dtype::F32 => turn_square(simd, &places, 4 * i, to),
                        Dtype::F16 => {
                            widen_square::<S, F16>(simd, &places, i, &mut square);
                            turn_numbers(simd, &square, to);
                        }
                        Dtype::Bf16 => {
                            widen_square::<S, Bf16>(simd, &places, i, &mut square);
                            turn_numbers(simd, &square, to);
                        }
                        _ => unreachable!("quantised rows of whole blocks are turned above"),
                    }
                }
            }
            for i in (whole..depth).step_by(GROUP) {
                let count = GROUP.min(depth - i);
                for (row, wide) in rows.iter().zip(&mut square) {
                    row.widen(from + i..from + i + count, &mut wide[..count]);
                }
                turn_numbers(simd, &square, &mut block[i * PANEL + first..]);
            }
        }
    }
}

/// Turns sixteen rows of quantised weights, a row of the block after the other.
#[inline(always)]
fn turn_quantised<S: Simd>(simd: S, rows: &[Stored<'_>], from: usize, depth: usize, to: &mut [f32]) {
    let mut wide = [[0.0; DEPTH]; GROUP];
    let mut places = [std::ptr::null(); GROUP];
    for r in 0..GROUP {
        quantised::widen(rows[r].dtype, rows[r].bytes, from, &mut wide[r][..depth]);
        places[r] = wide[r].as_ptr().cast();
    }
    for i in (0..depth).step_by(GROUP) {
        // SAFETY: each row has `DEPTH` numbers, and `depth` is at most that, in whole squares.
        unsafe { turn_square(simd, &places, 4 * i, &mut to[i * PANEL..]) };
    }
}

/// Widens numbers `i..i + 16` of each row, exactly.
///
/// # Safety
/// They may be read, at any alignment.
#[inline(always)]
unsafe fn widen_square<S: Simd, N: Number>(
    simd: S,
    rows: &[*const u8; GROUP],
    i: usize,
    square: &mut Square,
) {
    for r in 0..GROUP {
        for lane in (0..GROUP).step_by(S::LANES) {
            // SAFETY: the caller answers for the rows; a register fits into those of a square.
            unsafe {
                let wide = N::load(simd, rows[r].cast::<N>().add(i + lane));
                simd.store(square[r].as_mut_ptr().add(lane), wide);
            }
        }
    }
}

/// Where the rows of a square begin.
#[inline(always)]
fn beginnings(square: &Square) -> [*const u8; GROUP] {
    let mut places = [std::ptr::null(); GROUP];
    for r in 0..GROUP {
        places[r] = square[r].as_ptr().cast();
    }
    places
}

/// Writes the columns of a square as rows, [`PANEL`] apart, as far as `to` reaches.
#[inline(always)]
pub(super) fn turn_numbers<S: Simd>(simd: S, square: &Square, to: &mut [f32]) {
    if to.len() < ROOM {
        return turn(square, to, PANEL);
    }
    // SAFETY: each row of the square has sixteen numbers.
    unsafe { turn_square(simd, &beginnings(square), 0, to) };
}

/// Numbers from the first to the last of a square in a panel.
const ROOM: usize = (GROUP - 1) * PANEL + GROUP;

/// All columns of a square whose rows are anywhere.
///
/// # Panics
/// When `to` ends before the last of them.
///
/// # Safety
/// Sixteen f32 may be read, at any alignment, `offset` bytes behind each of the places.
#[inline(always)]
unsafe fn turn_square<S: Simd>(simd: S, rows: &[*const u8; GROUP], offset: usize, to: &mut [f32]) {
    assert!(to.len() >= ROOM, "room for a square");
    for band in 0..GROUP / S::LANES {
        for quad in 0..4 {
            let mut quads = [simd.zero(); 4];
            for r in 0..4 {
                let mut places = [std::ptr::null(); 4];
                for i in 0..S::LANES / 4 {
                    places[i] = rows[band * S::LANES + r + 4 * i].wrapping_add(offset + 16 * quad).cast();
                }
                // SAFETY: four of the sixteen numbers of each row.
                quads[r] = unsafe { simd.load_quads(places) };
            }
            let turned = simd.turn_quads(quads);
            for c in 0..4 {
                let at = (4 * quad + c) * PANEL + band * S::LANES;
                // SAFETY: row `4 quad + c` is at most 15, and a band ends before column 16:
                // within the square that `to` has room for.
                unsafe { simd.store(to.as_mut_ptr().add(at), turned[c]) };
            }
        }
    }
}
