//! Rows of x times a panel by matrix tiles (AMX), in bfloat16 that adds up to f32. `mod.rs` says why it may.
//!
//! `amx/planes.rs` splits numbers into bfloat16, `amx/tiles.rs` has the instructions. Here is the order of things: a
//! block of weights is split into the first-level cache, 18 KiB of it, and while all rows pass by, sixteen at a time,
//! two more things happen between the products, which the processor does beside them: the last products are added to
//! their sums, and lines of what comes next are asked for. To split the next block there as well gained nothing, for
//! the cache is full.

mod planes;
mod tiles;

use super::ahead::Ahead;
use super::avx512::Avx512;
use super::buffer::{LINE, as_bits};
use super::math::{load, store};
use super::panel::{DEPTH, Numbers, PANEL};
use super::simd::{Kernel, Simd};
pub(super) use planes::Planes;
use planes::Weights;
use std::ops::Range;
use tiles::{PAIRS, PLANES, PRODUCTS, STEP, STEP_OF_WEIGHTS, STEP_OF_X, Shape};
pub(super) use tiles::{ROWS, Tiles, is_here};

/// Inputs of a block: with 128 of them, planes, weights and x do not fit into the first-level cache together.
const BLOCK: usize = 64;

/// Rows that a task takes at most: each splits its panel anew, but with 512 of them the planes of x came too slowly.
pub(super) const TASK_ROWS: usize = 256;

/// Rows that are split into planes at once: of more the planes would be memory that is cleared for every product.
pub(super) const ROWS_AT_ONCE: usize = 2 * TASK_ROWS;

/// Scratch of a task, beside the sums of its rows: weights as f32, a block of them as planes, and twice the products of
/// a block with 16 rows.
pub(super) const SCRATCH: usize = DEPTH * PANEL + BLOCK / STEP * STEP_OF_WEIGHTS * PAIRS + 2 * PRODUCTS;

/// Rows of x times a panel, in whole columns.
///
/// An element's sum is that of blocks of 64 inputs, a block's that of steps of 32 inputs and pairs of planes in one
/// order: it depends on nothing but its row and its column.
pub(super) struct TileProduct<'a> {
    /// The first is a multiple of [`ROWS`].
    pub(super) rows: Range<usize>,
    pub(super) x: Planes<'a>,
    pub(super) b: Numbers<'a>,
    /// [`SCRATCH`] numbers.
    pub(super) scratch: &'a mut [f32],
    /// `[rows, PANEL]`, with room for whole tiles.
    pub(super) sums: &'a mut [f32],
    /// What will probably be read after `b`; only ever prefetched.
    pub(super) upcoming: *const u8,
}

impl TileProduct<'_> {
    pub(super) fn run(self) {
        self.x.tiles().avx512().call(self);
    }
}

impl Kernel for TileProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let TileProduct { rows, x, b, scratch, sums, upcoming } = self;
        let (simd, width) = (x.tiles().avx512(), x.width());
        let (wide, rest) = scratch.split_at_mut(DEPTH * PANEL);
        let (products, planes) = rest.split_at_mut(2 * PRODUCTS);
        let (mut products, mut former) = products.split_at_mut(PRODUCTS);
        let (planes, _) = as_bits(planes).as_chunks_mut();
        let tiles = rows.len().div_ceil(ROWS);
        let shape = Shape::set(x.tiles());
        sums.fill(0.0);
        // The tile whose products are in `former`, still to be added to its sums: to read them at once would be to wait
        // until they are stored.
        let mut pending = None;
        for from in (0..width).step_by(DEPTH) {
            let depth = DEPTH.min(width - from);
            let next = if from + depth < width { b.address((from + DEPTH) * PANEL) } else { upcoming };
            let mut requests = Requests::new(next, &b, depth, tiles);
            let weights = Weights::new(simd, b, from, depth, wide);
            for first in (0..depth).step_by(BLOCK) {
                let steps = BLOCK.min(depth - first).div_ceil(STEP);
                for pair in 0..steps * PAIRS {
                    requests.with_weights(simd);
                    weights.split(simd, first, pair, planes);
                }
                for tile in 0..tiles {
                    let (to, from_former) = match pending {
                        Some(tile) => (&mut sums[tile * PRODUCTS..][..PRODUCTS], &*former),
                        None => (&mut [][..], &[][..]),
                    };
                    // As many portions as there are pauses.
                    let portion = PRODUCTS / (steps * PLANES);
                    let mut portions = to.chunks_exact_mut(portion).zip(from_former.chunks_exact(portion));
                    let (group, step) = (rows.start / ROWS + tile, (from + first) / STEP);
                    requests.rows = match tile + 1 {
                        _ if tiles == 1 => None, // for which every line would come too late
                        after if after < tiles => Some(x.address(group + 1, step)),
                        _ => Some(x.address(rows.start / ROWS, step + steps)),
                    };
                    let x = x.tile(group, step, steps);
                    shape.multiply(
                        x,
                        planes,
                        weights.planes(),
                        products,
                        #[inline(always)]
                        || {
                            requests.with_products(simd);
                            if let Some((sums, products)) = portions.next() {
                                add(simd, sums, products);
                            }
                        },
                    );
                    pending = Some(tile);
                    std::mem::swap(&mut products, &mut former);
                }
            }
        }
        if let Some(tile) = pending {
            add(simd, &mut sums[tile * PRODUCTS..][..PRODUCTS], former);
        }
    }
}

#[inline(always)]
fn add(simd: Avx512, sums: &mut [f32], products: &[f32]) {
    let products = products.chunks_exact(Avx512::LANES);
    for (sums, products) in sums.chunks_exact_mut(Avx512::LANES).zip(products) {
        store(simd, sums, simd.add(load(simd, sums), load(simd, products)));
    }
}

/// Requests for what is read next.
///
/// Lines of weights: a third while weights are split, the others between products. Few at a time, for more than the
/// processor can wait for hold up what comes behind: all of them with the weights, 16 rows took 36 ms instead of 27
/// (one thread, linear layers of BERT-base). And the planes of the rows that pass by next, which may be in another
/// core's cache: 512 rows took 190 ms without, and 159 with (two threads).
struct Requests {
    weights: Ahead,
    asked: usize,
    lines: usize,
    with_weights: usize,
    with_products: usize,
    rows: Option<*const u8>,
}

/// Lines of x that are asked for in a pause: as many as a step has, in three.
const LINES_OF_X: usize = STEP_OF_X / PLANES;

impl Requests {
    /// The lines at `next`, for `depth` inputs and so many tiles of rows.
    #[inline(always)]
    fn new(next: *const u8, numbers: &Numbers, depth: usize, tiles: usize) -> Requests {
        let lines = numbers.lines(PANEL);
        let (pairs, pauses) = (depth.div_ceil(STEP) * PAIRS, depth.div_ceil(STEP) * tiles * PLANES);
        let with_weights = lines / (3 * pairs);
        let with_products = (lines - with_weights * pairs).div_ceil(pauses.max(1));
        let weights = Ahead::new(next, numbers);
        Requests { weights, asked: 0, lines, with_weights, with_products, rows: None }
    }

    /// To be called for each pair of inputs.
    #[inline(always)]
    fn with_weights(&mut self, simd: Avx512) {
        self.ask(simd, self.with_weights);
    }

    /// To be called in each pause between products.
    #[inline(always)]
    fn with_products(&mut self, simd: Avx512) {
        self.ask(simd, self.with_products);
        if let Some(rows) = &mut self.rows {
            for line in 0..LINES_OF_X {
                simd.prefetch(rows.wrapping_add(line * LINE));
            }
            *rows = rows.wrapping_add(LINES_OF_X * LINE);
        }
    }

    #[inline(always)]
    fn ask(&mut self, simd: Avx512, count: usize) {
        let from = self.asked;
        self.asked = self.lines.min(from + count);
        for line in from..self.asked {
            simd.prefetch(self.weights.line(line));
        }
    }
}
