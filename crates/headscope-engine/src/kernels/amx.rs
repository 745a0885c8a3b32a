//! AMX: products of matrix tiles, in bfloat16 that stand for f32. `mod.rs` says why they may.
//!
//! The only file that knows instructions for tiles. Rust's functions for them are not stable, so they
//! are written out, with registers by name: 0 to 2 have the sums of up to 16 rows and the 48 columns of a
//! panel, 3 to 5 the planes of 16 rows of x and 32 inputs, 6 and 7 by turns a plane of 32 x 16 weights.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Instructions for which there is no function, on memory whose size is asserted just before.

use super::buffer::{as_bits, with_scratch};
use super::simd::{Kernel, Simd};
use super::tile::{Ahead, Complete, DEPTH, F16, Number, Numbers, PANEL};
use super::{Compute, Dtype, avx512, for_each_part};
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::ops::Range;
use std::sync::OnceLock;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;

/// Pairs of bf16 in a row of a tile: 64 bytes, a line of memory.
const PAIRS: usize = 16;

/// A row of a tile.
type Row = [u32; PAIRS];

/// Inputs that one step multiplies.
const STEP: usize = 2 * PAIRS;

/// Tiles that the columns of a panel take.
const ACROSS: usize = PANEL / 16;

/// Planes of f32.
const PLANES: usize = 3;

/// Rows of tiles that one step takes of x.
const STEP_OF_X: usize = PLANES * ROWS;

/// Rows of tiles that a block takes of weights.
const BLOCK: usize = DEPTH / STEP * PLANES * ACROSS * ROWS;

/// Scratch of a task, beside the sums of its rows: a block of weights as f32 and as planes, and what a
/// block adds to the sums of 16 rows.
const SCRATCH: usize = DEPTH * PANEL + BLOCK * PAIRS + ROWS * PANEL;

/// Whether this machine has tiles of bfloat16, and the system lets this process use them.
pub(super) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let (amx_bf16, amx_tile) = (1 << 22, 1 << 24);
        let features = __cpuid_count(7, 0).edx;
        features & amx_bf16 != 0 && features & amx_tile != 0 && permitted()
    })
}

/// Asks for room for tiles in the state of each thread, which most programs do without.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    use std::ffi::c_long;
    const SYS_ARCH_PRCTL: c_long = 158;
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const XFEATURE_XTILEDATA: c_long = 18;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // SAFETY: this call of the system takes two numbers, and gives this process a permission.
    unsafe { syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// The proof that this process may use tiles, on a machine with AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    /// The machine has AVX-512, as [`avx512::Avx512`] means it, and [`is_here`] is true.
    pub(super) unsafe fn new() -> Tiles {
        Tiles(())
    }

    /// Splits rows of x, `[rows, width]`, and calls `f` with their planes.
    pub(super) fn with_planes<T>(
        self,
        compute: &Compute,
        x: &[f32],
        width: usize,
        f: impl FnOnce(Planes) -> T,
    ) -> T {
        let steps = width.div_ceil(STEP);
        let blocks = x.len().div_ceil((ROWS * width).max(1));
        with_scratch(blocks * steps * STEP_OF_X * PAIRS, |scratch| {
            let (pairs, _) = as_bits(scratch).as_chunks_mut();
            for_each_part(compute, pairs, steps * STEP_OF_X, |block, pairs| {
                let x = &x[block * ROWS * width..x.len().min((block + 1) * ROWS * width)];
                self.run(SplitRows { x, width, pairs });
            });
            f(Planes { tiles: self, pairs, width })
        })
    }

    /// None yet.
    fn shape(self) -> Shape {
        Shape { rows: 0 }
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves AVX-512.
        unsafe { avx512::run(kernel) }
    }
}

/// Rows of x as planes of bf16: for 16 rows at a time and 32 inputs, three tiles.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    tiles: Tiles,
    pairs: &'a [Row],
    width: usize,
}

/// The numbers of up to [`ROWS`] rows, as tiles. Rows that are missing keep what is there.
struct SplitRows<'a> {
    x: &'a [f32],
    width: usize,
    pairs: &'a mut [Row],
}

impl Kernel for SplitRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (r, row) in self.x.chunks_exact(self.width).enumerate() {
            for (numbers, tiles) in row.chunks(STEP).zip(self.pairs.chunks_exact_mut(STEP_OF_X)) {
                let mut whole = [0.0; STEP];
                whole[..numbers.len()].copy_from_slice(numbers);
                let even = std::array::from_fn(|i| whole[2 * i]);
                let odd = std::array::from_fn(|i| whole[2 * i + 1]);
                for (plane, pairs) in split::<PLANES>(&even, &odd).into_iter().enumerate() {
                    tiles[plane * ROWS + r] = pairs;
                }
            }
        }
    }
}

/// Pairs of numbers as pairs of bf16, in `P` planes that add up to them: the first has what is next to a
/// number, each other what is next to the rest. The last takes the upper half of what is left then, all of it if
/// `P` planes are enough.
#[inline(always)]
fn split<const P: usize>(even: &[f32; PAIRS], odd: &[f32; PAIRS]) -> [Row; P] {
    let (mut even, mut odd) = (*even, *odd);
    let mut planes = [[0; PAIRS]; P];
    for plane in 0..P {
        let nearest = if plane + 1 < P { HALF_WAY } else { 0 };
        for i in 0..PAIRS {
            let low = even[i].to_bits().wrapping_add(nearest) & UPPER;
            let high = odd[i].to_bits().wrapping_add(nearest) & UPPER;
            planes[plane][i] = low >> 16 | high;
            even[i] -= f32::from_bits(low);
            odd[i] -= f32::from_bits(high);
        }
    }
    planes
}

/// The half of a f32 that is a bf16.
const UPPER: u32 = 0xffff_0000;

/// Half a unit in the last place of a bf16.
const HALF_WAY: u32 = 0x8000;

/// Rows of x times a panel, of whole columns.
///
/// An element's sum is that of blocks of 128 inputs, a block's that of 32 inputs and pairs of planes in one
/// order: it depends on nothing but its row and its column.
pub(super) struct TileProduct<'a> {
    /// The first is a multiple of [`ROWS`].
    pub(super) rows: Range<usize>,
    pub(super) x: Planes<'a>,
    pub(super) b: Numbers<'a>,
    /// Takes rows of sums, counted from the first, once they are complete.
    pub(super) complete: Complete<'a>,
    /// What will probably be read after `b`; only ever prefetched.
    pub(super) upcoming: *const u8,
}

impl TileProduct<'_> {
    pub(super) fn run(self) {
        let tiles = self.x.tiles;
        let room = self.rows.len().next_multiple_of(ROWS) * PANEL;
        with_scratch(SCRATCH + room, |scratch| tiles.run(Blocks { product: self, scratch }));
    }
}

struct Blocks<'a, 'b> {
    product: TileProduct<'a>,
    scratch: &'b mut [f32],
}

impl Kernel for Blocks<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let TileProduct { rows, x, b, complete, upcoming } = self.product;
        let (wide, rest) = self.scratch.split_at_mut(DEPTH * PANEL);
        let (weights, rest) = rest.split_at_mut(BLOCK * PAIRS);
        let (block_sums, sums) = rest.split_at_mut(ROWS * PANEL);
        let (weights, _) = as_bits(weights).as_chunks_mut();
        let mut shape = x.tiles.shape();
        if x.width == 0 {
            sums.fill(0.0);
            complete(0..rows.len(), sums);
        }
        for from in (0..x.width).step_by(DEPTH) {
            let depth = DEPTH.min(x.width - from);
            let steps = depth.div_ceil(STEP);
            let last = from + depth == x.width;
            let planes = split_block(simd, &b, from, depth, wide, weights);
            let next = if last { upcoming } else { b.address((from + DEPTH) * PANEL) };
            let mut next = Ahead::new(next, &b).line(0);
            let mut lines = b.lines(DEPTH, PANEL);
            let share = lines.div_ceil((rows.len().div_ceil(ROWS) * steps).max(1));
            for (i, sums) in sums.chunks_exact_mut(ROWS * PANEL).enumerate() {
                shape.set(ROWS.min(rows.len() - i * ROWS));
                let x = &x.pairs[(rows.start / ROWS + i) * x.width.div_ceil(STEP) * STEP_OF_X..];
                let x = &x[from / STEP * STEP_OF_X..][..steps * STEP_OF_X];
                let to = if from == 0 { &mut *sums } else { &mut *block_sums };
                shape.multiply(x, weights, planes, to, || {
                    for _ in 0..share.min(lines) {
                        simd.prefetch(next.next());
                    }
                    lines -= share.min(lines);
                });
                if from > 0 {
                    sums.iter_mut().zip(&*block_sums).for_each(|(sum, block_sum)| *sum += block_sum);
                }
                if last {
                    complete(i * ROWS..i * ROWS + shape.rows, sums);
                }
            }
        }
    }
}

/// Splits weights of inputs `from..from + depth` into planes of tiles, and returns how many planes: those that
/// hold numbers of their dtype.
///
/// A row of such a tile has a pair of inputs, the weights of 16 columns side by side; whole steps, with zeros
/// behind the last input.
#[inline(always)]
fn split_block<S: Simd>(
    simd: S,
    b: &Numbers,
    from: usize,
    depth: usize,
    wide: &mut [f32],
    weights: &mut [Row],
) -> usize {
    let panel = from * PANEL..(from + depth) * PANEL;
    let planes = match b {
        Numbers::F32(b) => {
            split_rows::<3>(&b[panel], weights);
            return 3;
        }
        Numbers::Bf16(b) => {
            pair_rows(&b[panel], weights);
            return 1;
        }
        Numbers::F16(b) => {
            for (half, wide) in b[panel].chunks_exact(S::LANES).zip(wide.chunks_exact_mut(S::LANES)) {
                // SAFETY: each has room for a register.
                unsafe { simd.store(wide.as_mut_ptr(), F16::load(simd, half.as_ptr().cast())) };
            }
            2
        }
        Numbers::Rows(rows) => {
            rows.turn(simd, from, depth, PANEL, wide);
            rows.dtypes().map(planes_of).max().unwrap_or(PLANES)
        }
        Numbers::Columns(columns) => {
            columns.gather(simd, from, depth, PANEL, wide);
            planes_of(columns.matrix.dtype)
        }
    };
    let wide = &wide[..depth * PANEL];
    match planes {
        1 => split_rows::<1>(wide, weights),
        2 => split_rows::<2>(wide, weights),
        _ => split_rows::<3>(wide, weights),
    }
    planes
}

/// How many bf16 add up to a number.
fn planes_of(dtype: Dtype) -> usize {
    match dtype {
        Dtype::Bf16 => 1,
        Dtype::F16 => 2,
        _ => PLANES,
    }
}

/// Splits rows of [`PANEL`] weights.
#[inline(always)]
fn split_rows<const P: usize>(block: &[f32], weights: &mut [Row]) {
    let none = [0.0; PANEL];
    for (pair, rows) in block.chunks(2 * PANEL).enumerate() {
        let (even, odd) = rows.split_at(PANEL);
        let odd = if odd.is_empty() { &none } else { odd };
        let columns = even.as_chunks().0.iter().zip(odd.as_chunks().0);
        for (column, (even, odd)) in columns.enumerate() {
            for (plane, pairs) in split::<P>(even, odd).into_iter().enumerate() {
                weights[row_of_tile::<P>(pair, plane, column)] = pairs;
            }
        }
    }
    pad::<P>(block.len() / PANEL, weights);
}

/// The same for weights that are bf16 already.
#[inline(always)]
fn pair_rows(block: &[u16], weights: &mut [Row]) {
    let none = [0; PANEL];
    for (pair, rows) in block.chunks(2 * PANEL).enumerate() {
        let (even, odd) = rows.split_at(PANEL);
        let odd = if odd.is_empty() { &none } else { odd };
        let columns = even.as_chunks::<16>().0.iter().zip(odd.as_chunks::<16>().0);
        for (column, (even, odd)) in columns.enumerate() {
            let pairs = std::array::from_fn(|i| u32::from(even[i]) | u32::from(odd[i]) << 16);
            weights[row_of_tile::<1>(pair, 0, column)] = pairs;
        }
    }
    pad::<1>(block.len() / PANEL, weights);
}

/// Zeros for the inputs that a last step has not.
#[inline(always)]
fn pad<const P: usize>(depth: usize, weights: &mut [Row]) {
    for pair in depth.div_ceil(2)..depth.next_multiple_of(STEP) / 2 {
        for plane in 0..P {
            for column in 0..ACROSS {
                weights[row_of_tile::<P>(pair, plane, column)] = [0; PAIRS];
            }
        }
    }
}

/// Where the weights of a pair of inputs are in a plane of `P`, for sixteen columns.
#[inline(always)]
fn row_of_tile<const P: usize>(pair: usize, plane: usize, column: usize) -> usize {
    ((pair / PAIRS * P + plane) * ACROSS + column) * ROWS + pair % PAIRS
}

/// The shape of this thread's tiles. When it goes, so does their state: as long as there is some, each
/// switch to another thread has 8 KiB more to save.
struct Shape {
    /// Rows of x and of sums; none while there is no shape.
    rows: usize,
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Palette {
    palette: u8,
    reserved: [u8; 15],
    bytes_of_row: [u16; 16],
    rows: [u8; 16],
}

impl Shape {
    #[inline(always)]
    fn set(&mut self, rows: usize) {
        if rows == self.rows {
            return;
        }
        let mut palette = Palette { palette: 1, reserved: [0; 15], bytes_of_row: [0; 16], rows: [0; 16] };
        palette.bytes_of_row[..8].fill(64);
        palette.rows[..6].fill(rows as u8);
        palette.rows[6..8].fill(PAIRS as u8);
        // SAFETY: who has a shape had `Tiles`, the proof of AMX; the compiler keeps nothing in its registers. 64 bytes are read, which name
        // one of the palettes that all such machines have, and no more rows or bytes than it allows.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const palette, options(nostack, preserves_flags, readonly));
        };
        self.rows = rows;
    }

    /// Products of a block, `[rows, PANEL]`: x as tiles of three planes, weights of `planes`. Calls `f` between
    /// steps, of which there are as many as x has.
    #[inline(always)]
    fn multiply(&self, x: &[Row], weights: &[Row], planes: usize, to: &mut [f32], mut f: impl FnMut()) {
        let (steps, step_of_weights) = (x.len() / STEP_OF_X, planes * ACROSS * ROWS);
        assert!((1..=ROWS).contains(&self.rows) && weights.len() >= steps * step_of_weights);
        assert!(to.len() >= ROWS * PANEL, "room for tiles");
        // SAFETY: who has a shape had `Tiles`, the proof of AMX, and there is a shape. Registers keep their tiles from one piece of assembly to
        // the next: the compiler has no use for them, and keeps such pieces in order. A step of x and one of
        // weights are read, which are there as computed and asserted above, and tiles are stored where there is
        // room for them.
        unsafe {
            zero();
            for step in 0..steps {
                load_rows(x.as_ptr().add(step * STEP_OF_X));
                let weights = weights.as_ptr().add(step * step_of_weights);
                // Small products first: they are lost in a large sum sooner than in a small one.
                if planes > 2 {
                    multiply_third(weights.add(2 * ACROSS * ROWS));
                }
                if planes > 1 {
                    multiply_second(weights.add(ACROSS * ROWS));
                }
                multiply_first(weights);
                f();
            }
            store(to.as_mut_ptr());
        }
    }
}

impl Drop for Shape {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: who has a shape had `Tiles`, the proof of AMX; nobody needs what is in tiles any more.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}

/// Sums begin.
///
/// # Safety
/// There is a shape.
#[inline(always)]
unsafe fn zero() {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", options(nostack, preserves_flags, nomem));
    };
}

/// Loads the three planes of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn load_rows(x: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm3, [{x} + {line}*1]",
            "tileloadd tmm4, [{x} + {line}*1 + 1024]",
            "tileloadd tmm5, [{x} + {line}*1 + 2048]",
            x = in(reg) x,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' first plane with three of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_first(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm6, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm5, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm0, tmm3, tmm6",
            "tdpbf16ps tmm1, tmm3, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm2, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm3, tmm6",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' second plane with two of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_second(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm7, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tdpbf16ps tmm0, tmm3, tmm7",
            "tdpbf16ps tmm1, tmm3, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm3, tmm7",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' third plane with the first of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_third(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm6, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm3, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm3, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm3, tmm6",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Stores the sums of three tiles, side by side.
///
/// # Safety
/// There is a shape, and so many rows of [`PANEL`] numbers may be written.
#[inline(always)]
unsafe fn store(to: *mut f32) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tilestored [{to} + {row}*1], tmm0",
            "tilestored [{to} + {row}*1 + 64], tmm1",
            "tilestored [{to} + {row}*1 + 128], tmm2",
            to = in(reg) to,
            row = in(reg) 4 * PANEL,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    /// Numbers of all magnitudes but the smallest, whose parts are too small for a f32.
    fn normal_numbers(count: usize) -> impl Iterator<Item = f32> {
        let mut random = fastrand::Rng::with_seed(7);
        std::iter::repeat_with(move || f32::from_bits(random.u32(..)))
            .filter(|x| (1e-30..1e38).contains(&x.abs()))
            .take(count)
    }

    /// What is at place `i` of a row, of each plane.
    fn of_planes<const P: usize>(planes: &[Row; P], i: usize) -> [[f32; 2]; P] {
        planes.map(|pairs| [f32::from_bits(pairs[i] << 16), f32::from_bits(pairs[i] & UPPER)])
    }

    fn check<const P: usize>(x: f32) {
        let planes = split::<P>(&[x; PAIRS], &[-x; PAIRS]);
        for parts in (0..PAIRS).map(|i| of_planes(&planes, i)) {
            let sum = parts.iter().fold([0.0; 2], |sum, part| [0, 1].map(|i| sum[i] + f64::from(part[i])));
            assert_eq!(sum, [f64::from(x), -f64::from(x)], "{x:e} in {P} parts: {parts:?}");
            for pair in parts.windows(2) {
                assert!(pair[1][0].abs() <= pair[0][0].abs() / 256.0, "{x:e} in {P} parts: {parts:?}");
            }
        }
    }

    #[test]
    fn parts_of_a_number_add_up_to_it() {
        normal_numbers(20_000).for_each(check::<3>);
        [0.0, f32::MAX / 2.0, 1.0 + f32::EPSILON, 2.0 - f32::EPSILON, 1.0 + 1.0 / 256.0]
            .into_iter()
            .for_each(check::<3>);
        let halves = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32());
        halves.filter(|x| x.is_finite()).for_each(check::<2>);
        let bf16s = (0..=u16::MAX).map(|bits| bf16::from_bits(bits).to_f32());
        bf16s.filter(|x| x.is_finite()).for_each(check::<1>);
    }

    #[test]
    fn parts_of_what_is_not_finite_are_not_all_finite() {
        for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0x7fff_ffff)] {
            let planes = split::<3>(&[x; PAIRS], &[x; PAIRS]);
            assert!(of_planes(&planes, 0).iter().any(|part| !part[0].is_finite()), "{x}");
            assert!(
                split::<1>(&[x; PAIRS], &[x; PAIRS]) == [[x.to_bits() >> 16 | x.to_bits() & UPPER; PAIRS]]
            );
        }
    }

    /// Where the tiles of a block have the weight of an input and a column.
    fn weight(weights: &[Row], planes: usize, plane: usize, input: usize, column: usize) -> f32 {
        let (step, tile) = (input / STEP, plane * ACROSS + column / 16);
        let row = weights[(step * planes * ACROSS + tile) * ROWS + input % STEP / 2];
        let pair = row[column % 16];
        f32::from_bits(if input.is_multiple_of(2) { pair << 16 } else { pair & UPPER })
    }

    #[test]
    fn weights_of_a_pair_of_inputs_stand_side_by_side() {
        for depth in [1, 2, 31, 32, 33, 77, 128] {
            let block: Vec<f32> = normal_numbers(depth * PANEL).collect();
            let mut weights = vec![[u32::MAX; PAIRS]; BLOCK];
            split_rows::<3>(&block, &mut weights);
            let narrow: Vec<u16> = block.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
            let mut narrow_weights = weights.clone();
            pair_rows(&narrow, &mut narrow_weights);
            for i in 0..depth.next_multiple_of(STEP) * PANEL {
                let (input, column) = (i / PANEL, i % PANEL);
                let x: f32 = [2, 1, 0].map(|plane| weight(&weights, 3, plane, input, column)).iter().sum();
                assert_eq!(
                    block.get(i).copied().unwrap_or(0.0),
                    x,
                    "input {input}, column {column} of {depth}"
                );
                let x = weight(&narrow_weights, 1, 0, input, column);
                let expected = narrow.get(i).map_or(0.0, |&bits| bf16::from_bits(bits).to_f32());
                assert_eq!(expected, x, "bf16: input {input}, column {column} of {depth}");
            }
        }
    }
}
