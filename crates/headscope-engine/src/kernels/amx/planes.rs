//! Numbers as sums of bfloat16, in the order in which tiles hold them.
//!
//! A row of a tile has 16 pairs of bfloat16. A pair belongs to one row of x, or to one column of weights, and to two
//! inputs: which two does not matter, if it is the same for both. Here they are sixteen apart, so that a pair is made
//! of equal places of two registers.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Instructions that `Avx512` proves, on memory whose size is asserted just before.

use super::tiles::{ACROSS, PAIRS, PLANES, ROWS, Row, STEP, STEP_OF_X, Tiles};
use crate::kernels::avx512::Avx512;
use crate::kernels::buffer::{as_bits, with_scratch};
use crate::kernels::math::load;
use crate::kernels::panel::{Bf16, F16, Number, Numbers, PANEL, padded};
use crate::kernels::simd::{Kernel, Simd};
use crate::kernels::{Compute, Dtype, for_each_part};
use std::arch::x86_64::*;

/// Splits numbers, those of two registers as pairs, into `P` planes that add up to them: the first has the bfloat16 next
/// to a number, each other that next to the rest. The last takes the upper half of what is left then, which is all
/// of it if `P` planes are enough.
#[inline(always)]
fn split<const P: usize>(_: Avx512, mut numbers: [__m512; 2]) -> [__m512i; P] {
    // SAFETY: `Avx512` proves AVX-512 F and BW.
    unsafe {
        let mut planes = [_mm512_setzero_si512(); P];
        for plane in 0..P {
            let mut bits = [_mm512_castps_si512(numbers[0]), _mm512_castps_si512(numbers[1])];
            if plane + 1 < P {
                for i in 0..2 {
                    bits[i] = _mm512_add_epi32(bits[i], _mm512_set1_epi32(HALF_WAY));
                    let upper = _mm512_and_si512(bits[i], _mm512_set1_epi32(UPPER));
                    numbers[i] = _mm512_sub_ps(numbers[i], _mm512_castsi512_ps(upper));
                }
            }
            planes[plane] = _mm512_mask_blend_epi16(LOW_HALVES, bits[1], _mm512_srli_epi32::<16>(bits[0]));
        }
        planes
    }
}

/// The half of a f32 that is a bfloat16.
const UPPER: i32 = 0xffff_0000_u32.cast_signed();

/// Half a unit in the last place of a bfloat16.
const HALF_WAY: i32 = 0x8000;

/// The lower half of each pair.
const LOW_HALVES: u32 = 0x5555_5555;

/// Rows of x in planes: for sixteen rows at a time and 32 inputs, three tiles.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Planes<'a> {
    tiles: Tiles,
    pairs: &'a [Row],
    width: usize,
}

/// Steps that are split in one task.
const STEPS: usize = 8;

impl Planes<'_> {
    /// Splits rows of x, `[rows, width]`, and calls `f` with their planes.
    pub(in crate::kernels) fn with<T>(
        tiles: Tiles,
        compute: &Compute,
        x: &[f32],
        width: usize,
        f: impl FnOnce(Planes) -> T,
    ) -> T {
        let groups = x.len().div_ceil((ROWS * width).max(1));
        with_scratch(groups * width.div_ceil(STEP) * STEP_OF_X * PAIRS, |scratch| {
            let (pairs, _) = as_bits(scratch).as_chunks_mut();
            for_each_part(compute, pairs, STEPS * STEP_OF_X, |part, pairs| {
                tiles.avx512().call(SplitRows { tiles, x, width, first: part * STEPS, pairs });
            });
            f(Planes { tiles, pairs, width })
        })
    }

    pub(in crate::kernels) fn tiles(self) -> Tiles {
        self.tiles
    }

    /// Columns of x.
    pub(in crate::kernels) fn width(self) -> usize {
        self.width
    }
}

impl<'a> Planes<'a> {
    /// Some steps of sixteen rows.
    #[inline(always)]
    pub(super) fn tile(self, group: usize, step: usize, steps: usize) -> &'a [Row] {
        &self.pairs[self.place(group, step)..][..steps * STEP_OF_X]
    }

    /// Where a step of sixteen rows begins, or would begin: for prefetching.
    #[inline(always)]
    pub(super) fn address(self, group: usize, step: usize) -> *const u8 {
        self.pairs.as_ptr().wrapping_add(self.place(group, step)).cast()
    }

    #[inline(always)]
    fn place(self, group: usize, step: usize) -> usize {
        (group * self.width.div_ceil(STEP) + step) * STEP_OF_X
    }
}

/// Splits some steps of x. They are counted through all groups of sixteen rows; rows that are missing become zeros.
struct SplitRows<'a> {
    tiles: Tiles,
    x: &'a [f32],
    width: usize,
    first: usize,
    pairs: &'a mut [Row],
}

impl Kernel for SplitRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let simd = self.tiles.avx512();
        let steps = self.width.div_ceil(STEP);
        for (i, tiles) in self.pairs.chunks_exact_mut(STEP_OF_X).enumerate() {
            let (group, step) = ((self.first + i) / steps, (self.first + i) % steps);
            let rest = &self.x[self.x.len().min(group * ROWS * self.width)..];
            for r in 0..ROWS {
                let row = rest.get(r * self.width..(r + 1) * self.width).unwrap_or(&[]);
                let mut halves = [simd.zero(); 2];
                for i in 0..2 {
                    let from = step * STEP + i * PAIRS;
                    let numbers = &row[row.len().min(from)..row.len().min(from + PAIRS)];
                    halves[i] = load(simd, &padded(numbers));
                }
                let planes = split::<PLANES>(simd, halves);
                for plane in 0..PLANES {
                    write(simd, &mut tiles[plane * ROWS + r], planes[plane]);
                }
            }
        }
    }
}

#[inline(always)]
fn write(_: Avx512, row: &mut Row, pairs: __m512i) {
    // SAFETY: a row has the size of a register; `Avx512` proves AVX-512F.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), pairs) }
}

/// Weights of up to 128 inputs of a panel, to be split into as many planes as their dtype needs.
///
/// A row of a tile has the weights of 16 columns and two inputs.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    numbers: Numbers<'a>,
    planes: usize,
    depth: usize,
}

impl<'a> Weights<'a> {
    /// Weights of inputs `from..from + depth`; by way of `wide` if they are still in their file.
    #[inline(always)]
    pub(super) fn new(
        simd: Avx512,
        b: Numbers<'a>,
        from: usize,
        depth: usize,
        wide: &'a mut [f32],
    ) -> Weights<'a> {
        let panel = from * PANEL..(from + depth) * PANEL;
        let (numbers, planes) = match b {
            Numbers::F32(b) => (Numbers::F32(&b[panel]), PLANES),
            Numbers::F16(b) => (Numbers::F16(&b[panel]), planes_of(Dtype::F16)),
            Numbers::Bf16(b) => (Numbers::Bf16(&b[panel]), planes_of(Dtype::Bf16)),
            Numbers::Rows(rows) => {
                rows.turn(simd, from, depth, PANEL, wide);
                (Numbers::F32(wide), rows.dtypes().map(planes_of).max().unwrap_or(PLANES))
            }
            Numbers::Columns(columns) => {
                columns.gather(simd, from, depth, PANEL, wide);
                (Numbers::F32(wide), planes_of(columns.matrix.dtype))
            }
        };
        Weights { numbers, planes, depth }
    }

    /// How many planes there are.
    pub(super) fn planes(self) -> usize {
        self.planes
    }

    /// Splits a pair of inputs of the block that begins at `first`.
    #[inline(always)]
    pub(super) fn split(self, simd: Avx512, first: usize, pair: usize, tiles: &mut [Row]) {
        let input = first + pair / PAIRS * STEP + pair % PAIRS;
        let rows = [input, input + PAIRS].map(|input| (input < self.depth).then_some(input * PANEL));
        match (self.numbers, self.planes) {
            (Numbers::F32(b), 1) => split_pair::<f32, 1>(simd, b, rows, pair, tiles),
            (Numbers::F32(b), 2) => split_pair::<f32, 2>(simd, b, rows, pair, tiles),
            (Numbers::F32(b), _) => split_pair::<f32, PLANES>(simd, b, rows, pair, tiles),
            (Numbers::F16(b), _) => split_pair::<F16, 2>(simd, F16::of(b), rows, pair, tiles),
            (Numbers::Bf16(b), _) => split_pair::<Bf16, 1>(simd, Bf16::of(b), rows, pair, tiles),
            _ => unreachable!("what was in its file is f32 by now"),
        }
    }
}

/// How many bfloat16 add up to a number.
fn planes_of(dtype: Dtype) -> usize {
    match dtype {
        Dtype::Bf16 => 1,
        Dtype::F16 => 2,
        _ => PLANES,
    }
}

/// Splits two rows of a panel; one that is missing is zero.
#[inline(always)]
fn split_pair<N: Number, const P: usize>(
    simd: Avx512,
    weights: &[N],
    rows: [Option<usize>; 2],
    pair: usize,
    tiles: &mut [Row],
) {
    let rows = rows.map(|row| row.map(|row| &weights[row..row + PANEL]));
    let tiles = &mut tiles[pair / PAIRS * P * ACROSS * ROWS..][..P * ACROSS * ROWS];
    for column in 0..ACROSS {
        let mut numbers = [simd.zero(); 2];
        for i in 0..2 {
            if let Some(row) = rows[i] {
                // SAFETY: one of the three registers of a row.
                numbers[i] = unsafe { N::load(simd, row.as_ptr().add(column * PAIRS)) };
            }
        }
        let planes = split::<P>(simd, numbers);
        for plane in 0..P {
            write(simd, &mut tiles[(plane * ACROSS + column) * ROWS + pair % PAIRS], planes[plane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use half::{bf16, f16};

    /// Calls `f` where AVX-512 is.
    fn with_avx512(f: impl Fn(Avx512)) {
        if Isa::available().iter().any(|isa| isa.to_string() == "avx512") {
            // SAFETY: just asked.
            f(unsafe { Avx512::new() });
        } else {
            eprintln!("skipped: this machine has no AVX-512");
        }
    }

    /// The parts of `x` and of `-x`, as a pair.
    fn parts<const P: usize>(simd: Avx512, x: f32) -> [[f32; 2]; P] {
        split::<P>(simd, [simd.splat(x), simd.splat(-x)]).map(|plane| {
            let mut row = [0; PAIRS];
            write(simd, &mut row, plane);
            assert_eq!(row, [row[0]; PAIRS]);
            [f32::from_bits(row[0] << 16), f32::from_bits(row[0] & UPPER.cast_unsigned())]
        })
    }

    fn add_up<const P: usize>(simd: Avx512, x: f32) {
        let parts = parts::<P>(simd, x);
        for i in 0..2 {
            let sum: f64 = parts.iter().map(|part| f64::from(part[i])).sum();
            assert_eq!(sum, f64::from(if i == 0 { x } else { -x }), "{x:e} in {P} parts: {parts:?}");
            for pair in parts.windows(2) {
                assert!(pair[1][i].abs() <= pair[0][i].abs() / 256.0, "{x:e} in {P} parts: {parts:?}");
            }
        }
    }

    #[test]
    fn parts_of_a_number_add_up_to_it() {
        with_avx512(|simd| {
            // Those of smaller numbers would be smaller than what f32 has.
            let mut random = fastrand::Rng::with_seed(7);
            let normal = std::iter::repeat_with(|| f32::from_bits(random.u32(..)));
            let normal = normal.filter(|x| (1e-30..1e38).contains(&x.abs())).take(20_000);
            let edges = [0.0, f32::MAX / 2.0, 1.0 + f32::EPSILON, 2.0 - f32::EPSILON, 1.0 + 1.0 / 256.0];
            normal.chain(edges).for_each(|x| add_up::<3>(simd, x));
            let halves = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32());
            halves.filter(|x| x.is_finite()).for_each(|x| add_up::<2>(simd, x));
            let bf16s = (0..=u16::MAX).map(|bits| bf16::from_bits(bits).to_f32());
            bf16s.filter(|x| x.is_finite()).for_each(|x| add_up::<1>(simd, x));
        });
    }

    #[test]
    fn parts_of_what_is_not_finite_are_not_all_finite() {
        with_avx512(|simd| {
            for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0x7fff_ffff)] {
                assert!(parts::<3>(simd, x).iter().any(|part| !part[0].is_finite()), "{x}");
                assert!(parts::<2>(simd, x).iter().any(|part| !part[0].is_finite()), "{x}");
            }
            assert!(parts::<1>(simd, f32::INFINITY)[0][0].is_infinite());
        });
    }
}
