//! Rows of x times a panel by matrix tiles (AMX), in bfloat16 that adds up to f32. `mod.rs` says why it may.
//!
//! `amx/planes.rs` splits numbers into bfloat16, `amx/tiles.rs` has the instructions. Here is the order of things: a
//! block of weights is split into the first-level cache, 18 KiB of it, and while all rows pass by, sixteen at a time,
//! two more things happen between the products, which the processor does beside them: the last products are added to
//! their sums, and lines of what comes next are asked for. To split the next block there as well gained nothing, for
//! the cache is full.

mod planes;
mod tiles;

use super::avx512::Avx512;
use super::buffer::as_bits;
use super::math::{load, store};
use super::simd::{Kernel, Simd};
use super::tile::{Ahead, DEPTH, Numbers, PANEL};
pub(super) use planes::Planes;
use planes::Weights;
pub(super) use tiles::{ROWS, Tiles, is_here};
use tiles::{PAIRS, PLANES, PRODUCTS, Shape, STEP, STEP_OF_WEIGHTS};
use std::ops::Range;

/// Inputs of a block: with 128 of them, planes, weights and x do not fit into the first-level cache together.
const BLOCK: usize = 64;

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
                    let mut portions = to.as_chunks_mut().0.iter_mut().zip(from_former.as_chunks().0);
                    let x = x.tile(rows.start / ROWS + tile, (from + first) / STEP, steps);
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
                    for (sums, products) in portions {
                        add(simd, sums, products);
                    }
                    pending = Some(tile);
                    std::mem::swap(&mut products, &mut former);
                }
            }
        }
        if let Some(tile) = pending {
            let sums = sums[tile * PRODUCTS..][..PRODUCTS].as_chunks_mut().0;
            sums.iter_mut().zip(former.as_chunks().0).for_each(
                #[inline(always)]
                |(sums, products)| add(simd, sums, products),
            );
        }
    }
}

/// What is added to sums in one pause: of a whole block there are six.
const PORTION: usize = PRODUCTS / (BLOCK / STEP * PLANES);

#[inline(always)]
fn add(simd: Avx512, sums: &mut [f32; PORTION], products: &[f32; PORTION]) {
    for i in (0..PORTION).step_by(Avx512::LANES) {
        let sum = simd.add(load(simd, &sums[i..]), load(simd, &products[i..]));
        store(simd, &mut sums[i..], sum);
    }
}

/// Requests for the lines of memory that are read next: a third while weights are split, the others between
/// products. Few at a time, for those beyond the sixteen that the processor keeps have to wait: all of them
/// with the weights, 16 rows took 36 ms instead of 27 (one thread, linear layers of BERT-base).
struct Requests {
    lines: Ahead,
    count: usize,
    asked: usize,
    with_weights: usize,
    with_products: usize,
}

impl Requests {
    /// The lines at `next`, for `depth` inputs and so many tiles of rows.
    #[inline(always)]
    fn new(next: *const u8, numbers: &Numbers, depth: usize, tiles: usize) -> Requests {
        let count = numbers.lines(PANEL);
        let (pairs, pauses) = (depth.div_ceil(STEP) * PAIRS, depth.div_ceil(STEP) * tiles * PLANES);
        let with_weights = count / (3 * pairs);
        let with_products = (count - with_weights * pairs).div_ceil(pauses);
        Requests { lines: Ahead::new(next, numbers), count, asked: 0, with_weights, with_products }
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
    }

    #[inline(always)]
    fn ask(&mut self, simd: Avx512, count: usize) {
        if self.asked < self.count {
            for line in self.asked..self.asked + count {
                simd.prefetch(self.lines.address(line));
            }
            self.asked += count;
        }
    }
}
