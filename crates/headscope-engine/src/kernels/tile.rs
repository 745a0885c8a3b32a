//! The product of some rows with one panel: all multiplication ends here.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Pointers in the innermost loops; `Product::run` checks their bounds once.

use super::ahead::{Ahead, Requests};
use super::buffer::LINE;
use super::panel::{Bf16, DEPTH, F16, GROUP, Number, Numbers, PANEL};
use super::simd::{Kernel, Simd};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Products added up in one chain of a register, before it is added to the sum of a block.
const CHAIN: usize = 32;

/// Steps of the inner loop between two looks ahead. Requests for memory that come
/// in larger bursts (16 steps were tried) wait for each other: 31 instead of 52 GB/s.
const STEPS: usize = 4;

/// How many steps before it is multiplied a line of the block comes into the first-level cache.
const SOON: usize = 16;

/// Looks ahead in a chain.
pub(super) const LOOKS: usize = CHAIN / STEPS;

/// `c = a b`: `rows` rows of `a` with a panel `b` of up to [`PANEL`] columns.
///
/// An element's sum is that of short chains of products, which the instruction set
/// alone decides on: it depends on nothing but its row and its column, so that a
/// row comes out the same to the bit whatever else is computed beside it.
pub(super) struct Product<'a> {
    pub(super) rows: usize,
    pub(super) depth: usize,
    /// Columns wanted; `b` and `c` have room for them in whole groups.
    pub(super) columns: usize,
    /// Row `r` starts at `r * a_stride`.
    pub(super) a: &'a [f32],
    pub(super) a_stride: usize,
    /// Row `i` of the panel starts at `i * b_stride`.
    pub(super) b: Numbers<'a>,
    pub(super) b_stride: usize,
    pub(super) c: &'a mut [f32],
    pub(super) c_stride: usize,
    /// Whether the product is added to what `c` holds.
    pub(super) add: bool,
    /// Room for a block of weights that are not f32 in memory, `DEPTH * PANEL` numbers.
    pub(super) wide: &'a mut [f32],
    /// What will probably be read after `b`; only ever prefetched.
    pub(super) upcoming: *const u8,
    /// Where the rows of `c` will be stored once they are complete, and how far apart, if not in
    /// `c`: only ever prefetched.
    pub(super) landing: Option<(*const f32, usize)>,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Panels of 16-bit weights are whole, with zeros where columns are missing.
        let whole = matches!(self.b, Numbers::F16(_) | Numbers::Bf16(_));
        let groups = if whole { PANEL / GROUP } else { self.columns.div_ceil(GROUP) };
        let vectors = groups * (GROUP / S::LANES);
        self.check(groups * GROUP);
        if self.depth == 0 && !self.add {
            for r in 0..self.rows {
                self.c[r * self.c_stride..][..groups * GROUP].fill(0.0);
            }
        }
        let (tiles, across) = (self.rows.div_ceil(S::TILE_ROWS), vectors.div_ceil(S::TILE_VECTORS));
        for from in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - from);
            let last = from + depth == self.depth;
            let row = from * self.b_stride;
            let next = if last { self.upcoming } else { self.b.address(row + DEPTH * self.b_stride) };
            let chains = tiles * across * depth.div_ceil(CHAIN);
            let block = Block {
                depth,
                across,
                first: from == 0 && !self.add,
                rows: self.rows,
                a: self.a[from..].as_ptr(),
                a_stride: self.a_stride,
                b_stride: self.b_stride,
                c: self.c.as_mut_ptr(),
                c_stride: self.c_stride,
                wide: self.wide.as_mut_ptr(),
                landing: self.landing.filter(|_| last).unwrap_or((self.c.as_ptr(), self.c_stride)),
                next: Ahead::new(next, &self.b).requests(self.b.lines(self.b_stride), chains),
            };
            match self.b {
                Numbers::Rows(rows) => rows.turn(simd, from, depth, groups * GROUP, self.wide),
                Numbers::Columns(matrix) => matrix.gather(simd, from, depth, groups * GROUP, self.wide),
                _ => {}
            }
            let mut strip = Strip { first: 0, row: 0, height: 0, tiles: 0, of: tiles };
            while strip.next(self.rows) {
                let as_stored = S::READS_16 || strip.first == 0;
                if whole && as_stored && !S::READS_16 {
                    strip.tiles = 1; // which leaves what it widened for the others
                }
                // SAFETY: `check` found the last row of a, b and c within their slices and room for
                // a block in `wide`, whose rows are PANEL apart; `from + depth` is at most the depth
                // it checked. The first tile leaves 16-bit weights there, widened, for those that read them there.
                unsafe {
                    let (b, b_stride) = match self.b {
                        Numbers::F16(b) if as_stored => {
                            block.strip(simd, b[row..].as_ptr().cast::<F16>(), vectors, strip);
                            continue;
                        }
                        Numbers::Bf16(b) if as_stored => {
                            block.strip(simd, b[row..].as_ptr().cast::<Bf16>(), vectors, strip);
                            continue;
                        }
                        Numbers::F32(b) => (b[row..].as_ptr(), self.b_stride),
                        _ => (self.wide.as_ptr(), PANEL),
                    };
                    Block { b_stride, ..block }.strip(simd, b, vectors, strip);
                }
            }
        }
    }
}

/// Tiles of one height below each other.
///
/// Rows are covered by tiles of nearly equal height, the taller ones first: 15 rows are 8 + 7 and 9 are
/// 5 + 4, for a tile of one row has too few sums to keep the multipliers busy.
#[derive(Clone, Copy)]
struct Strip {
    /// Tiles above it, of how many in all.
    first: usize,
    of: usize,
    row: usize,
    height: usize,
    tiles: usize,
}

impl Strip {
    /// Goes on to the tiles that follow, if any do.
    fn next(&mut self, rows: usize) -> bool {
        self.first += self.tiles;
        self.row += self.tiles * self.height;
        if self.first == self.of {
            return false;
        }
        let taller = rows % self.of;
        let is_taller = self.first < taller;
        self.height = rows / self.of + usize::from(is_taller);
        self.tiles = if is_taller { taller } else { self.of } - self.first;
        true
    }
}

impl Product<'_> {
    #[inline(always)]
    fn check(&self, columns: usize) {
        let holds = |len: usize, rows: usize, stride: usize, width: usize| {
            rows == 0 || width == 0 || (rows - 1) * stride + width <= len
        };
        assert!(columns <= PANEL, "columns of one panel");
        assert!(holds(self.a.len(), self.rows, self.a_stride, self.depth), "rows of a");
        let in_file = matches!(self.b, Numbers::Rows(_) | Numbers::Columns(_)); // which look after themselves
        assert!(in_file || holds(self.b.len(), self.depth, self.b_stride, columns), "rows of b");
        assert!(holds(self.c.len(), self.rows, self.c_stride, columns), "rows of c");
        assert!(matches!(self.b, Numbers::F32(_)) || self.wide.len() >= DEPTH * PANEL, "room to widen");
    }
}

/// At most [`DEPTH`] rows of a panel, for which rows of `a` and `c` pass by.
struct Block {
    depth: usize,
    /// Tiles beside each other, all of one width.
    across: usize,
    /// Whether sums begin here; otherwise they are added to `c`.
    first: bool,
    rows: usize,
    a: *const f32,
    a_stride: usize,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    wide: *mut f32,
    landing: (*const f32, usize),
    next: Requests,
}

/// Where one register tile begins, and what it prefetches on its way.
struct Tile<N> {
    at: Place<N>,
    c: *mut f32,
    /// Whether it asks for rows of `b` shortly before it multiplies them.
    looks_soon: bool,
    /// Whether its columns are the block's first.
    is_left: bool,
    /// The rows of `a` that the next tile takes, probably.
    ahead: *const f32,
    /// Where the rows will be stored in the end.
    landing: *const f32,
}

/// Where a tile stands in `a` and `b`, and how far apart their rows are.
#[derive(Clone, Copy)]
struct Place<N> {
    a: *const f32,
    a_stride: usize,
    b: *const N,
    b_stride: usize,
    wide: *mut f32,
}

impl<N> Place<N> {
    #[inline(always)]
    fn go_on(&mut self, steps: usize) {
        self.a = self.a.wrapping_add(steps);
        self.b = self.b.wrapping_add(steps * self.b_stride);
        self.wide = self.wide.wrapping_add(steps * PANEL);
    }
}

impl Block {
    /// Picks the tiles that were compiled for this many rows and vectors.
    ///
    /// # Safety
    /// `a`, `b` and `c` hold all rows; each row of `b` and `c` all vectors. `wide` has room for the block if
    /// weights are to be widened.
    #[inline(always)]
    unsafe fn strip<S: Simd, N: Number>(&self, simd: S, b: *const N, vectors: usize, strip: Strip) {
        // SAFETY: each arm passes on what the caller answers for.
        unsafe {
            match vectors / self.across {
                1 if !N::NARROW => self.height::<S, N, 1>(simd, b, strip),
                2 if !N::NARROW || S::TILE_VECTORS == 2 => self.height::<S, N, 2>(simd, b, strip),
                3 if S::TILE_VECTORS == 3 => self.height::<S, N, 3>(simd, b, strip),
                _ => unreachable!("tiles have at most TILE_VECTORS vectors, as many as those beside them"),
            }
        }
    }

    /// # Safety
    /// As for [`Block::strip`]; each row has [`Block::across`] times `V` vectors.
    #[inline(always)]
    unsafe fn height<S: Simd, N: Number, const V: usize>(&self, simd: S, b: *const N, strip: Strip) {
        match strip.height {
            1 => simd.call(Tiles::<N, 1, V>(self, b, strip)),
            2 => simd.call(Tiles::<N, 2, V>(self, b, strip)),
            3 => simd.call(Tiles::<N, 3, V>(self, b, strip)),
            4 => simd.call(Tiles::<N, 4, V>(self, b, strip)),
            5 if S::TILE_ROWS >= 5 => simd.call(Tiles::<N, 5, V>(self, b, strip)),
            6 if S::TILE_ROWS >= 6 => simd.call(Tiles::<N, 6, V>(self, b, strip)),
            7 if S::TILE_ROWS >= 7 => simd.call(Tiles::<N, 7, V>(self, b, strip)),
            8 if S::TILE_ROWS >= 8 => simd.call(Tiles::<N, 8, V>(self, b, strip)),
            _ => unreachable!("tiles have at most TILE_ROWS rows"),
        }
    }

    /// `R` rows times `V` vectors of columns; `sums` is room for the sums of chains.
    ///
    /// A chain that ends is added to the sum of a block while the next one begins, first in the upper half of the
    /// rows, then in the lower one: a store takes the place of a multiplication on AMD Zen 3, unless it comes with
    /// enough of them, and all at once took a fifteenth of the time.
    ///
    /// # Safety
    /// `R` rows of `a` and `c` begin at `tile`, with `V` vectors in each row
    /// of `b` and `c`.
    #[inline(always)]
    unsafe fn tile<S: Simd, N: Number, const R: usize, const V: usize>(
        &self,
        simd: S,
        tile: &Tile<N>,
        requests: &mut Requests,
        sums: &mut Sums<S, R, V>,
    ) {
        let (depth, mut at, mut next) = (self.depth, tile.at, *requests);
        let mut chains = [[simd.zero(); V]; R];
        for i in (0..depth).step_by(CHAIN) {
            let mut left = CHAIN.min(depth - i);
            if left < STEPS {
                // SAFETY: chains were put away at each multiple of CHAIN before.
                unsafe { put_away(simd, 0..R, i, &chains, sums) };
                chains = [[simd.zero(); V]; R];
            } else {
                self.look_ahead::<S, N, V>(simd, tile, &mut next, at.b, i);
                let (upper, lower) = (0..R.div_ceil(2), R.div_ceil(2)..R);
                // SAFETY: as above, and the next STEPS rows of the block, of which `left` are left in this chain.
                unsafe {
                    put_away(simd, upper.clone(), i, &chains, sums);
                    steps::<S, N, R, V, true>(simd, upper, at, &mut chains);
                    if !lower.is_empty() {
                        put_away(simd, lower.clone(), i, &chains, sums);
                        steps::<S, N, R, V, true>(simd, lower, at, &mut chains);
                    }
                }
                at.go_on(STEPS);
                left -= STEPS;
            }
            for k in 0..left / STEPS {
                self.look_ahead::<S, N, V>(simd, tile, &mut next, at.b, i + STEPS * (1 + k));
                // SAFETY: as above.
                unsafe { steps::<S, N, R, V, false>(simd, 0..R, at, &mut chains) };
                at.go_on(STEPS);
            }
            for _ in 0..left % STEPS {
                // SAFETY: the next row of the block.
                unsafe { step(simd, 0..R, at, 0, &mut chains, false) };
                at.go_on(1);
            }
            next.chain_ends();
        }
        *requests = next;
        for r in 0..R {
            for v in 0..V {
                let mut sum = chains[r][v];
                if depth > CHAIN {
                    // SAFETY: the first chain was put away there.
                    sum = simd.add(unsafe { sums[r][v].assume_init() }, sum);
                }
                // SAFETY: row `r` of `c` has V vectors.
                unsafe {
                    let c = tile.c.add(r * self.c_stride + v * S::LANES);
                    simd.store(c, if self.first { sum } else { simd.add(simd.load(c), sum) });
                }
            }
        }
    }

    /// Asks for what comes next, at step `i` of a tile, whose row of the block is `b`: lines of the panel's next block, a
    /// few rows of its own columns, if it is to, and, if the instruction set looks far ahead, a block's eight lines of each
    /// of up to eight rows of `a`, and the four lines where a row of the result lands, often in another core's cache.
    #[inline(always)]
    fn look_ahead<S: Simd, N: Number, const V: usize>(
        &self,
        simd: S,
        tile: &Tile<N>,
        next: &mut Requests,
        b: *const N,
        i: usize,
    ) {
        next.look(
            #[inline(always)]
            |line| simd.prefetch(line),
        );
        if tile.looks_soon {
            self.look_soon::<S, N, V>(simd, b, tile.is_left);
        }
        if S::LOOKS_FAR {
            let (row, part) = (i / (DEPTH / 8), i % (DEPTH / 8) / STEPS);
            let ahead = tile.ahead.wrapping_add(row * self.a_stride + part * (DEPTH / 4));
            simd.prefetch_first(ahead.cast());
            simd.prefetch_first(ahead.wrapping_add(LINE / 4).cast());
            let landing = tile.landing.wrapping_add(row * self.landing.1 + part * (LINE / 4));
            simd.prefetch_to_write(landing.cast());
        }
    }

    /// Asks for a tile's columns of [`STEPS`] rows of the block, [`SOON`] before it multiplies them, for they are in the
    /// second-level cache: two lines of a row, the first of which the tile to the left has asked for, or whole rows.
    #[inline(always)]
    fn look_soon<S: Simd, N: Number, const V: usize>(&self, simd: S, b: *const N, is_left: bool) {
        let (stride, width) = (self.b_stride * size_of::<N>(), V * S::LANES * size_of::<N>());
        let soon = b.cast::<u8>().wrapping_add(SOON * stride);
        if V * S::LANES == PANEL {
            for line in 0..STEPS * width / LINE {
                simd.prefetch_first(soon.wrapping_add(line * LINE));
            }
            return;
        }
        for row in (0..STEPS).map(|k| soon.wrapping_add(k * stride)) {
            if is_left {
                simd.prefetch_first(row);
            }
            simd.prefetch_first(row.wrapping_add(width - 1));
        }
    }
}

/// Room for the sums of a tile's chains, written when the first of them ends: clearing it for each block took a
/// fiftieth of the time of 8 rows, a hundredth of 16.
type Sums<S, const R: usize, const V: usize> = [[MaybeUninit<<S as Simd>::Vector>; V]; R];

/// Adds the chains of some rows to their sums, at step `i` of a block, before which they end.
///
/// # Safety
/// Behind step [`CHAIN`], they were put away there.
#[inline(always)]
unsafe fn put_away<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: Range<usize>,
    i: usize,
    chains: &[[S::Vector; V]; R],
    sums: &mut Sums<S, R, V>,
) {
    for r in rows {
        for v in 0..V {
            let (sum, chain) = (&mut sums[r][v], chains[r][v]);
            match i {
                0 => {}
                CHAIN => _ = sum.write(chain),
                // SAFETY: the caller answers for it.
                _ => _ = sum.write(simd.add(unsafe { sum.assume_init() }, chain)),
            }
        }
    }
}

/// [`STEPS`] steps of some rows of a tile; the first begins the chains if `BEGIN`, which as an argument made 128 rows
/// a tenth slower (AVX2).
///
/// # Safety
/// As for [`step`], for so many rows of `b` and numbers of `a`.
#[inline(always)]
unsafe fn steps<S: Simd, N: Number, const R: usize, const V: usize, const BEGIN: bool>(
    simd: S,
    rows: Range<usize>,
    at: Place<N>,
    chains: &mut [[S::Vector; V]; R],
) {
    for k in 0..STEPS {
        // SAFETY: the caller answers for it.
        unsafe { step(simd, rows.clone(), at, k, chains, BEGIN && k == 0) };
    }
}

/// Row `k` of weights from a place on times a number of each of these rows of `a`.
///
/// Narrow weights are left at `wide` for the tiles to come, once, with the upper rows, unless tiles read them as they are
/// stored or there are too few rows for others to follow.
///
/// # Safety
/// `V` vectors may be read at `b` and, if it is narrow, written at `wide`, and a number read at `a` in each of the rows.
#[inline(always)]
unsafe fn step<S: Simd, N: Number, const R: usize, const V: usize>(
    simd: S,
    rows: Range<usize>,
    at: Place<N>,
    k: usize,
    chains: &mut [[S::Vector; V]; R],
    begin: bool,
) {
    let mut weights = [simd.zero(); V];
    for v in 0..V {
        // SAFETY: the caller answers for `b` and `wide`.
        unsafe {
            weights[v] = N::load(simd, at.b.add(k * at.b_stride + v * S::LANES));
            if N::NARROW && !S::READS_16 && 2 * R > S::TILE_ROWS && rows.start == 0 {
                simd.store(at.wide.add(k * PANEL + v * S::LANES), weights[v]);
            }
        }
    }
    for r in rows {
        // SAFETY: the caller answers for `a`.
        let x = simd.splat(unsafe { *at.a.add(r * at.a_stride + k) });
        for v in 0..V {
            // To multiply is cheaper than to add to zeros.
            let product = if begin { simd.mul(x, weights[v]) } else { simd.fma(x, weights[v], chains[r][v]) };
            chains[r][v] = simd.pin(product);
        }
    }
}

/// A strip of tiles of `R` rows times `V` vectors of columns, `V` for each of [`Block::across`].
///
/// A function of its own for each height and width. As parts of one large function, tiles of all 16 registers of AVX2 kept
/// sums in memory after small changes elsewhere, and compiling took half as long again.
///
/// [`Block::height`] alone makes it, whose caller answers for the pointers: all rows of the strip may be read and
/// written, in the whole width of its tiles.
struct Tiles<'a, N, const R: usize, const V: usize>(&'a Block, *const N, Strip);

impl<N: Number, const R: usize, const V: usize> Kernel for Tiles<'_, N, R, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tiles(block, b, strip) = self;
        // Out of the compiler's sight, which would keep it in places that cross the lines of memory.
        let mut sums: Sums<S, R, V> = [[MaybeUninit::uninit(); V]; R];
        let sums = black_box(&mut sums);
        // Where at most one tile follows that reads them again; with AVX2, 16-bit weights, of half the lines, took a
        // tenth longer so.
        let looks_soon = block.rows <= 2 * S::TILE_ROWS && (S::LOOKS_FAR || !N::NARROW);
        let mut next = block.next.after(strip.first * block.across * block.depth.div_ceil(CHAIN));
        for i in 0..strip.tiles {
            let row = strip.row + i * R;
            let below = if row + R < block.rows { (row + R) * block.a_stride } else { DEPTH };
            for j in 0..block.across {
                let column = j * V * S::LANES;
                // SAFETY: these rows and columns are the strip's.
                unsafe {
                    let tile = Tile {
                        at: Place {
                            a: block.a.add(row * block.a_stride),
                            a_stride: block.a_stride,
                            b: b.add(column),
                            b_stride: block.b_stride,
                            wide: block.wide.wrapping_add(column),
                        },
                        c: block.c.add(row * block.c_stride + column),
                        looks_soon: looks_soon && row == 0,
                        is_left: j == 0,
                        ahead: block.a.wrapping_add(below),
                        landing: block.landing.0.wrapping_add(row * block.landing.1),
                    };
                    block.tile(simd, &tile, &mut next, sums);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_cover_all_rows_with_tiles_of_nearly_equal_height() {
        for tall in [4, 6, 8] {
            for rows in 0..70_usize {
                let of = rows.div_ceil(tall);
                let mut strip = Strip { first: 0, row: 0, height: 0, tiles: 0, of };
                let mut heights = Vec::new();
                while strip.next(rows) {
                    assert_eq!(
                        (strip.first, strip.row),
                        (heights.len(), heights.iter().sum()),
                        "{rows} rows"
                    );
                    // As a first tile of 16-bit weights does, which is a strip of its own.
                    strip.tiles = if heights.is_empty() { 1 } else { strip.tiles };
                    heights.extend(vec![strip.height; strip.tiles]);
                }
                assert_eq!((heights.len(), heights.iter().sum()), (of, rows));
                assert!(heights.iter().all(|height| (rows / of..=rows.div_ceil(of)).contains(height)));
                assert!(heights.iter().all(|height| *height <= tall), "{rows} rows in {heights:?}");
            }
        }
    }
}
