//! The product of some rows with one panel: all multiplication ends here.
#![allow(clippy::needless_range_loop)] // One index runs through several arrays.
#![allow(unsafe_code)] // Pointers in the innermost loops; `Product::run` checks their bounds once.

use super::simd::{Kernel, Simd};

/// Columns of a panel: three 16-lane registers, six of 8 lanes, twelve of 4.
pub(super) const PANEL: usize = 48;

/// Columns are computed in groups of this many; a panel's rows are read in whole groups.
pub(super) const GROUP: usize = 16;

/// Products added up in one register before the sum goes to memory.
///
/// Short chains round less: the error of a sum grows with the length of its
/// chain, and 128 keeps it a third of what one chain over a BERT's 768 columns
/// has. It is also the depth at which a block of a panel (128 x 48 f32, 24 KiB)
/// stays in the first-level cache while all rows pass by.
pub(super) const DEPTH: usize = 128;

/// Steps of the inner loop between two looks ahead: the f32 of a cache line.
const STEPS: usize = 16;
const LINE: usize = 64;

/// The numbers of a panel, as its weights were stored.
#[derive(Clone, Copy)]
pub(super) enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    Bf16(&'a [u16]),
}

/// `c = a b`: `rows` rows of `a` with a panel `b` of up to [`PANEL`] columns.
///
/// An element's sum is that of blocks of [`DEPTH`] products, each block summed
/// in order: it depends on nothing but its row and its column, so that a row
/// comes out the same to the bit whatever else is computed beside it.
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
    /// Room to widen a block of 16-bit weights, `DEPTH * PANEL` numbers.
    pub(super) wide: &'a mut [f32],
    /// What will probably be read after `b`; only ever prefetched.
    pub(super) upcoming: *const u8,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let groups = self.columns.div_ceil(GROUP);
        self.check(groups * GROUP);
        if self.depth == 0 {
            for r in 0..self.rows {
                self.c[r * self.c_stride..][..groups * GROUP].fill(0.0);
            }
        }
        for from in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - from);
            let last = from + depth == self.depth;
            let (b, size) = match self.b {
                Numbers::F32(b) => (b[from * self.b_stride..].as_ptr(), 4),
                Numbers::F16(b) | Numbers::Bf16(b) => {
                    let half = matches!(self.b, Numbers::F16(_));
                    let b = &b[from * self.b_stride..];
                    widen(simd, half, b, depth, self.b_stride, groups * GROUP, self.wide);
                    (self.wide.as_ptr(), 2)
                }
            };
            let b_stride = if size == 4 { self.b_stride } else { PANEL };
            let next = if last { self.upcoming } else { self.b.address(from + DEPTH, self.b_stride) };
            let block = Block {
                depth,
                vectors: groups * (GROUP / S::LANES),
                first: from == 0,
                a: self.a[from..].as_ptr(),
                a_stride: self.a_stride,
                b,
                b_stride,
                c: self.c.as_mut_ptr(),
                c_stride: self.c_stride,
                next,
                next_lines: (DEPTH * self.b_stride * size).div_ceil(LINE),
            };
            // SAFETY: `check` found the last row of a, b and c within their
            // slices, and `from + depth` is at most the depth it checked.
            unsafe { block.rows(simd, self.rows) };
        }
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
        assert!(holds(self.b.len(), self.depth, self.b_stride, columns), "rows of b");
        assert!(holds(self.c.len(), self.rows, self.c_stride, columns), "rows of c");
        assert!(matches!(self.b, Numbers::F32(_)) || self.wide.len() >= DEPTH * PANEL, "room to widen");
    }
}

impl Numbers<'_> {
    fn len(&self) -> usize {
        match self {
            Numbers::F32(b) => b.len(),
            Numbers::F16(b) | Numbers::Bf16(b) => b.len(),
        }
    }

    fn address(&self, row: usize, stride: usize) -> *const u8 {
        match self {
            Numbers::F32(b) => b.as_ptr().wrapping_add(row * stride).cast(),
            Numbers::F16(b) | Numbers::Bf16(b) => b.as_ptr().wrapping_add(row * stride).cast(),
        }
    }
}

/// Widens `depth` rows of a panel into rows of [`PANEL`] f32.
#[inline(always)]
fn widen<S: Simd>(
    simd: S,
    half: bool,
    b: &[u16],
    depth: usize,
    stride: usize,
    columns: usize,
    wide: &mut [f32],
) {
    assert!((depth - 1) * stride + columns <= b.len() && depth * PANEL <= wide.len());
    for i in 0..depth {
        for j in (0..columns).step_by(S::LANES) {
            // SAFETY: `columns` is a multiple of the lanes and at most PANEL,
            // and the last row ends within both slices, as asserted above.
            unsafe {
                let from = b.as_ptr().add(i * stride + j);
                let x = if half { simd.load_f16(from) } else { simd.load_bf16(from) };
                simd.store(wide.as_mut_ptr().add(i * PANEL + j), x);
            }
        }
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
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    next: *const u8,
    next_lines: usize,
}

/// Where one register tile begins, and what it prefetches on its way.
struct Tile {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    /// Lines of the next block of the panel, so many every [`STEPS`].
    next: *const u8,
    lines: usize,
}

impl Block {
    /// Covers `rows` rows with tiles of nearly equal height.
    ///
    /// 15 rows are 8 + 7 and 9 are 5 + 4: a tile of one row has too few sums
    /// to keep the multipliers busy.
    ///
    /// # Safety
    /// `a`, `b` and `c` hold all rows; each row of `b` and `c` all vectors.
    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, simd: S, rows: usize) {
        let tiles = rows.div_ceil(S::TILE_ROWS);
        let chunks = self.depth.div_ceil(STEPS);
        let lines = self.next_lines.div_ceil((tiles * chunks).max(1));
        for i in 0..tiles {
            let (from, to) = (i * rows / tiles, (i + 1) * rows / tiles);
            let ahead = i * chunks * lines;
            // SAFETY: rows `from..to` are among `rows`.
            unsafe {
                let tile = Tile {
                    a: self.a.add(from * self.a_stride),
                    b: self.b,
                    c: self.c.add(from * self.c_stride),
                    next: self.next.wrapping_add(ahead * LINE),
                    lines: if ahead < self.next_lines { lines } else { 0 },
                };
                self.columns(simd, to - from, tile);
            }
        }
    }

    /// Covers the columns of some rows with tiles of nearly equal width.
    ///
    /// # Safety
    /// As for [`Block::rows`].
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, simd: S, rows: usize, at: Tile) {
        let tiles = self.vectors.div_ceil(S::TILE_VECTORS);
        for i in 0..tiles {
            let (from, to) = (i * self.vectors / tiles, (i + 1) * self.vectors / tiles);
            // SAFETY: vectors `from..to` are among the vectors of each row.
            unsafe {
                let tile = Tile {
                    a: at.a,
                    b: at.b.add(from * S::LANES),
                    c: at.c.add(from * S::LANES),
                    next: at.next,
                    lines: if i == 0 { at.lines } else { 0 },
                };
                match to - from {
                    1 => self.height::<S, 1>(simd, rows, tile),
                    2 => self.height::<S, 2>(simd, rows, tile),
                    _ => self.height::<S, 3>(simd, rows, tile),
                }
            }
        }
    }

    /// Picks the tile that was compiled for this many rows.
    ///
    /// # Safety
    /// As for [`Block::rows`]; `V` vectors fit at `tile`.
    #[inline(always)]
    unsafe fn height<S: Simd, const V: usize>(&self, simd: S, rows: usize, tile: Tile) {
        // SAFETY: each arm passes on what the caller answers for.
        unsafe {
            match rows {
                1 => self.tile::<S, 1, V>(simd, tile),
                2 => self.tile::<S, 2, V>(simd, tile),
                3 => self.tile::<S, 3, V>(simd, tile),
                4 => self.tile::<S, 4, V>(simd, tile),
                5 if S::TILE_ROWS >= 5 => self.tile::<S, 5, V>(simd, tile),
                6 if S::TILE_ROWS >= 6 => self.tile::<S, 6, V>(simd, tile),
                7 if S::TILE_ROWS >= 7 => self.tile::<S, 7, V>(simd, tile),
                8 if S::TILE_ROWS >= 8 => self.tile::<S, 8, V>(simd, tile),
                _ => unreachable!("tiles have at most TILE_ROWS rows"),
            }
        }
    }

    /// `R` rows times `V` vectors of columns, all sums in registers.
    ///
    /// # Safety
    /// `R` rows of `a` and `c` begin at `tile`, with `V` vectors in each row
    /// of `b` and `c`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&self, simd: S, tile: Tile) {
        let mut sums = [[simd.zero(); V]; R];
        let mut next = tile.next;
        let mut i = 0;
        while i < self.depth {
            for _ in 0..tile.lines {
                simd.prefetch(next);
                next = next.wrapping_add(LINE);
            }
            let end = self.depth.min(i + STEPS);
            while i < end {
                let mut b = [simd.zero(); V];
                for v in 0..V {
                    // SAFETY: row `i` of `b` has V vectors.
                    b[v] = unsafe { simd.load(tile.b.add(i * self.b_stride + v * S::LANES)) };
                }
                for r in 0..R {
                    // SAFETY: row `r` of `a` has `depth` numbers.
                    let x = simd.splat(unsafe { *tile.a.add(r * self.a_stride + i) });
                    for v in 0..V {
                        sums[r][v] = simd.fma(x, b[v], sums[r][v]);
                    }
                }
                i += 1;
            }
        }
        for r in 0..R {
            for v in 0..V {
                // SAFETY: row `r` of `c` has V vectors.
                unsafe {
                    let c = tile.c.add(r * self.c_stride + v * S::LANES);
                    let sum = if self.first { sums[r][v] } else { simd.add(simd.load(c), sums[r][v]) };
                    simd.store(c, sum);
                }
            }
        }
    }
}
