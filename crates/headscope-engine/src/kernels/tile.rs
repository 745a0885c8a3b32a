//! The product of some rows with one panel: all multiplication ends here.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Pointers in the innermost loops; `Product::run` checks their bounds once.

use super::columns::Columns;
use super::rows::Rows;
use super::simd::{Kernel, Simd};

/// Columns of a panel: three 16-lane registers, six of 8 lanes, twelve of 4.
pub(super) const PANEL: usize = 48;

/// Columns are computed in groups of this many; a panel's rows are read in whole groups.
pub(super) const GROUP: usize = 16;

/// Rows of a panel that one block takes at most.
///
/// A block of so many (128 x 48 f32, 24 KiB) stays in the first-level cache while
/// all rows of the input pass by.
pub(super) const DEPTH: usize = 128;

/// Products added up in one chain of a register, before it is added to the sum of a block.
const CHAIN: usize = 32;

/// Steps of the inner loop between two looks ahead. Requests for memory that come
/// in larger bursts (16 steps were tried) wait for each other: 31 instead of 52 GB/s.
const STEPS: usize = 4;
pub(super) const LINE: usize = 64;

/// Writes the columns of a square as rows, `stride` apart, as far as `to` reaches.
pub(super) fn turn<T: Copy>(square: &[[T; GROUP]; GROUP], to: &mut [T], stride: usize) {
    for (i, to) in to.chunks_mut(stride).enumerate() {
        for (to, from) in to[..GROUP].iter_mut().zip(square) {
            *to = from[i];
        }
    }
}

/// The numbers of a panel, as its weights were stored.
#[derive(Clone, Copy)]
pub(super) enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    Bf16(&'a [u16]),
    /// Still in the file, to be turned into blocks.
    Rows(&'a Rows<'a>),
    /// Still in the file, where blocks only need to be gathered.
    Columns(&'a Columns<'a>),
}

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
        self.check(groups * GROUP);
        if self.depth == 0 && !self.add {
            for r in 0..self.rows {
                self.c[r * self.c_stride..][..groups * GROUP].fill(0.0);
            }
        }
        for from in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - from);
            let last = from + depth == self.depth;
            let row = from * self.b_stride;
            let next = if last { self.upcoming } else { self.b.address(row + DEPTH * self.b_stride) };
            let block = Block {
                depth,
                vectors: groups * (GROUP / S::LANES),
                first: from == 0 && !self.add,
                a: self.a[from..].as_ptr(),
                a_stride: self.a_stride,
                b_stride: self.b_stride,
                c: self.c.as_mut_ptr(),
                c_stride: self.c_stride,
                wide: self.wide.as_mut_ptr(),
                landing: self.landing.filter(|_| last).unwrap_or((self.c.as_ptr(), self.c_stride)),
                next: Ahead::new(next, &self.b),
                next_lines: match self.b {
                    Numbers::Rows(rows) => PANEL << rows.log2_lines(),
                    Numbers::Columns(columns) => DEPTH << columns.log2_lines(),
                    _ => (DEPTH * self.b_stride * self.b.size()).div_ceil(LINE),
                },
            };
            match self.b {
                Numbers::Rows(rows) => rows.turn(simd, from, depth, groups * GROUP, self.wide),
                Numbers::Columns(matrix) => matrix.gather(simd, from, depth, groups * GROUP, self.wide),
                _ => {}
            }
            let tiles = self.rows.div_ceil(S::TILE_ROWS);
            for i in 0..tiles {
                let tile = (i, tiles);
                // SAFETY: `check` found the last row of a, b and c within their slices and room for
                // a block in `wide`, whose rows are PANEL apart; `from + depth` is at most the depth
                // it checked. The first tile leaves 16-bit weights there, widened, if others follow.
                unsafe {
                    let (b, b_stride) = match self.b {
                        Numbers::F16(b) if i == 0 => {
                            block.rows(simd, b[row..].as_ptr().cast::<F16>(), tile, self.rows);
                            continue;
                        }
                        Numbers::Bf16(b) if i == 0 => {
                            block.rows(simd, b[row..].as_ptr().cast::<Bf16>(), tile, self.rows);
                            continue;
                        }
                        Numbers::F32(b) => (b[row..].as_ptr(), self.b_stride),
                        _ => (self.wide.as_ptr(), PANEL),
                    };
                    Block { b_stride, ..block }.rows(simd, b, tile, self.rows);
                }
            }
        }
    }
}

/// Lines of memory to be asked for: `2^shift` side by side, then as many one stride further.
#[derive(Clone, Copy)]
struct Ahead {
    from: *const u8,
    stride: usize,
    shift: u32,
}

impl Ahead {
    #[inline(always)]
    fn new(from: *const u8, numbers: &Numbers) -> Ahead {
        match numbers {
            Numbers::Rows(rows) => {
                Ahead { from: from.wrapping_add(LINE - 1), stride: rows.stride(), shift: rows.log2_lines() }
            }
            Numbers::Columns(columns) => {
                Ahead { from, stride: columns.stride(), shift: columns.log2_lines() }
            }
            _ => Ahead { from, stride: 0, shift: usize::BITS - 1 },
        }
    }

    /// Line `k`, how many follow beside it, itself among them, and how far the next is then.
    #[inline(always)]
    fn line(self, k: usize) -> Lines {
        let side_by_side = 1 << self.shift;
        let (row, line) = (k >> self.shift, k & (side_by_side - 1));
        let at = self.from.wrapping_add(row.wrapping_mul(self.stride).wrapping_add(line * LINE));
        let jump = self.stride.wrapping_sub(side_by_side.wrapping_mul(LINE));
        Lines { at, left: side_by_side - line, side_by_side, jump }
    }
}

/// The lines of [`Ahead`] from one on.
#[derive(Clone, Copy)]
struct Lines {
    at: *const u8,
    left: usize,
    side_by_side: usize,
    jump: usize,
}

impl Lines {
    #[inline(always)]
    fn next(&mut self) -> *const u8 {
        let line = self.at;
        self.at = line.wrapping_add(LINE);
        self.left -= 1;
        if self.left == 0 {
            self.left = self.side_by_side;
            self.at = self.at.wrapping_add(self.jump);
        }
        line
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

impl Numbers<'_> {
    fn len(&self) -> usize {
        match self {
            Numbers::F32(b) => b.len(),
            Numbers::F16(b) | Numbers::Bf16(b) => b.len(),
            Numbers::Rows(_) | Numbers::Columns(_) => 0,
        }
    }

    /// Bytes of a number of a panel.
    fn size(&self) -> usize {
        match self {
            Numbers::F32(_) => 4,
            Numbers::F16(_) | Numbers::Bf16(_) => 2,
            Numbers::Rows(_) | Numbers::Columns(_) => 0,
        }
    }

    /// Where a number stands, or would stand: for prefetching.
    fn address(&self, index: usize) -> *const u8 {
        match self {
            Numbers::F32(b) => b.as_ptr().wrapping_add(index).cast(),
            Numbers::F16(b) | Numbers::Bf16(b) => b.as_ptr().wrapping_add(index).cast(),
            Numbers::Rows(rows) => rows.address(index / PANEL),
            Numbers::Columns(columns) => columns.address(index / PANEL),
        }
    }
}

/// A number as a panel holds it.
pub(super) trait Number: Copy {
    /// Whether it is widened, and multiplied in whole panels only: fewer tiles to compile.
    const NARROW: bool;

    /// Reads and widens a register.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `from` on may be read.
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::Vector;
}

/// Bits of half precision.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct F16(#[allow(dead_code)] u16);

/// Bits of bfloat16.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Bf16(#[allow(dead_code)] u16);

impl Number for f32 {
    const NARROW: bool = false;

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const f32) -> S::Vector {
        // SAFETY: the caller answers for the pointer.
        unsafe { simd.load(from) }
    }
}

impl Number for F16 {
    const NARROW: bool = true;

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const F16) -> S::Vector {
        // SAFETY: the caller answers for the pointer.
        unsafe { simd.load_f16(from.cast()) }
    }
}

impl Number for Bf16 {
    const NARROW: bool = true;

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Bf16) -> S::Vector {
        // SAFETY: the caller answers for the pointer.
        unsafe { simd.load_bf16(from.cast()) }
    }
}

/// At most [`DEPTH`] rows of a panel, for which rows of `a` and `c` pass by.
struct Block {
    depth: usize,
    vectors: usize,
    /// Whether sums begin here; otherwise they are added to `c`.
    first: bool,
    a: *const f32,
    a_stride: usize,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    wide: *mut f32,
    landing: (*const f32, usize),
    next: Ahead,
    next_lines: usize,
}

/// Where one register tile begins, and what it prefetches on its way.
struct Tile<N> {
    a: *const f32,
    b: *const N,
    c: *mut f32,
    wide: *mut f32,
    /// The rows of `a` that the next tile takes, probably.
    ahead: *const f32,
    /// Where the rows will be stored in the end.
    landing: *const f32,
    /// Lines of the next block of the panel, so many every [`STEPS`].
    next: Lines,
    lines: usize,
}

impl Block {
    /// One of the tiles of nearly equal height that cover `rows` rows.
    ///
    /// 15 rows are 8 + 7 and 9 are 5 + 4: a tile of one row has too few sums
    /// to keep the multipliers busy.
    ///
    /// # Safety
    /// `a`, `b` and `c` hold all rows; each row of `b` and `c` all vectors. `wide` has room for the block if
    /// weights are to be widened.
    #[inline(always)]
    unsafe fn rows<S: Simd, N: Number>(&self, simd: S, b: *const N, (i, tiles): (usize, usize), rows: usize) {
        let chunks = self.depth.div_ceil(STEPS);
        let lines = self.next_lines.div_ceil((tiles * chunks).max(1));
        let (from, to) = ((i * rows).div_ceil(tiles), ((i + 1) * rows).div_ceil(tiles));
        let ahead = i * chunks * lines;
        // SAFETY: rows `from..to` are among `rows`.
        unsafe {
            let tile = Tile {
                a: self.a.add(from * self.a_stride),
                b,
                c: self.c.add(from * self.c_stride),
                wide: self.wide,
                ahead: if to < rows {
                    self.a.wrapping_add(to * self.a_stride)
                } else {
                    self.a.wrapping_add(DEPTH)
                },
                landing: self.landing.0.wrapping_add(from * self.landing.1),
                next: self.next.line(ahead),
                lines: if ahead < self.next_lines { lines } else { 0 },
            };
            self.columns(simd, to - from, tile);
        }
    }

    /// Covers the columns of some rows with tiles of nearly equal width.
    ///
    /// # Safety
    /// As for [`Block::rows`].
    #[inline(always)]
    unsafe fn columns<S: Simd, N: Number>(&self, simd: S, rows: usize, at: Tile<N>) {
        let tiles = self.vectors.div_ceil(S::TILE_VECTORS);
        for i in 0..tiles {
            let (from, to) = (i * self.vectors / tiles, (i + 1) * self.vectors / tiles);
            // SAFETY: vectors `from..to` are among the vectors of each row.
            unsafe {
                let tile = Tile {
                    a: at.a,
                    b: at.b.add(from * S::LANES),
                    c: at.c.add(from * S::LANES),
                    wide: at.wide.wrapping_add(from * S::LANES),
                    ahead: at.ahead,
                    landing: at.landing,
                    next: at.next,
                    lines: if i == 0 { at.lines } else { 0 },
                };
                match to - from {
                    1 if !N::NARROW => self.height::<S, N, 1>(simd, rows, tile),
                    2 if !N::NARROW || S::TILE_VECTORS == 2 => self.height::<S, N, 2>(simd, rows, tile),
                    3 if S::TILE_VECTORS == 3 => self.height::<S, N, 3>(simd, rows, tile),
                    _ => unreachable!("tiles have at most TILE_VECTORS vectors"),
                }
            }
        }
    }

    /// Picks the tile that was compiled for this many rows.
    ///
    /// # Safety
    /// As for [`Block::rows`]; `V` vectors fit at `tile`.
    #[inline(always)]
    unsafe fn height<S: Simd, N: Number, const V: usize>(&self, simd: S, rows: usize, tile: Tile<N>) {
        // SAFETY: each arm passes on what the caller answers for.
        unsafe {
            match rows {
                1 => self.tile::<S, N, 1, V>(simd, tile),
                2 => self.tile::<S, N, 2, V>(simd, tile),
                3 => self.tile::<S, N, 3, V>(simd, tile),
                4 => self.tile::<S, N, 4, V>(simd, tile),
                5 if S::TILE_ROWS >= 5 => self.tile::<S, N, 5, V>(simd, tile),
                6 if S::TILE_ROWS >= 6 => self.tile::<S, N, 6, V>(simd, tile),
                7 if S::TILE_ROWS >= 7 => self.tile::<S, N, 7, V>(simd, tile),
                8 if S::TILE_ROWS >= 8 => self.tile::<S, N, 8, V>(simd, tile),
                _ => unreachable!("tiles have at most TILE_ROWS rows"),
            }
        }
    }

    /// `R` rows times `V` vectors of columns.
    ///
    /// On its way it asks for what comes next, a little with every few steps: lines of the
    /// panel's next block, a block's eight lines of each of up to eight rows of `a`, and the
    /// four lines where a row of the result lands, often in another core's cache.
    ///
    /// # Safety
    /// `R` rows of `a` and `c` begin at `tile`, with `V` vectors in each row
    /// of `b` and `c`.
    #[inline(always)]
    unsafe fn tile<S: Simd, N: Number, const R: usize, const V: usize>(&self, simd: S, tile: Tile<N>) {
        let Tile { a, mut b, c, mut wide, .. } = tile;
        let mut next = tile.next;
        let mut sums = [[simd.zero(); V]; R];
        let mut i = 0;
        while i < self.depth {
            let end = self.depth.min(i + CHAIN);
            let first = i == 0;
            let mut chains = [[simd.zero(); V]; R];
            while i + STEPS <= end {
                for _ in 0..tile.lines {
                    simd.prefetch(next.next());
                }
                let (row, part) = (i / (DEPTH / 8), i % (DEPTH / 8) / STEPS);
                let ahead = tile.ahead.wrapping_add(row * self.a_stride + part * (DEPTH / 4));
                simd.prefetch_first(ahead.cast());
                simd.prefetch_first(ahead.wrapping_add(LINE / 4).cast());
                let landing = tile.landing.wrapping_add(row * self.landing.1 + part * (LINE / 4));
                simd.prefetch_to_write(landing.cast());
                for k in 0..STEPS {
                    // SAFETY: row `i + k` of the block, as `i + STEPS` is at most its depth.
                    unsafe { self.step(simd, a.add(i + k), b, wide, &mut chains) };
                    b = b.wrapping_add(self.b_stride);
                    wide = wide.wrapping_add(PANEL);
                }
                i += STEPS;
            }
            while i < end {
                // SAFETY: row `i` of the block.
                unsafe { self.step(simd, a.add(i), b, wide, &mut chains) };
                b = b.wrapping_add(self.b_stride);
                wide = wide.wrapping_add(PANEL);
                i += 1;
            }
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = if first { chains[r][v] } else { simd.add(sums[r][v], chains[r][v]) };
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                // SAFETY: row `r` of `c` has V vectors.
                unsafe {
                    let c = c.add(r * self.c_stride + v * S::LANES);
                    let sum = if self.first { sums[r][v] } else { simd.add(simd.load(c), sums[r][v]) };
                    simd.store(c, sum);
                }
            }
        }
    }

    /// One row of weights times one number of each row of `a`.
    ///
    /// Narrow weights are left at `wide` for the tiles to come, unless there are too few rows for others to follow.
    ///
    /// # Safety
    /// `V` vectors may be read at `b` and, if it is narrow, written at `wide`, and a number read at `a` in each of
    /// `R` rows.
    #[inline(always)]
    unsafe fn step<S: Simd, N: Number, const R: usize, const V: usize>(
        &self,
        simd: S,
        a: *const f32,
        b: *const N,
        wide: *mut f32,
        chains: &mut [[S::Vector; V]; R],
    ) {
        let mut weights = [simd.zero(); V];
        for v in 0..V {
            // SAFETY: the caller answers for `b` and `wide`.
            unsafe {
                weights[v] = N::load(simd, b.add(v * S::LANES));
                if N::NARROW && 2 * R > S::TILE_ROWS {
                    simd.store(wide.add(v * S::LANES), weights[v]);
                }
            }
        }
        for r in 0..R {
            // SAFETY: the caller answers for `a`.
            let x = simd.splat(unsafe { *a.add(r * self.a_stride) });
            for v in 0..V {
                chains[r][v] = simd.pin(simd.fma(x, weights[v], chains[r][v]));
            }
        }
    }
}
