//! `y = epilogue(x Wᵀ + b)`: the weights where they lie in their file, or packed.

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Planes, TileProduct};
use super::buffer::{Arena, Buffer, Plain, as_bytes, with_scratch};
use super::columns::Columns;
use super::math::{Activate, activate, load, store};
use super::panel::{DEPTH, GROUP, Numbers, PANEL, turn};
use super::rows::Rows;
use super::share::{Shared, for_each_part};
use super::simd::{Kernel, Simd};
use super::stored::AsStored;
use super::tile::Product;
use super::{Compute, Dtype, Stored};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A linear layer. Its weights stay in their file until somebody packs them into panels, and in
/// the file's dtype then; the results are the same, to the bit.
///
/// Panel `p` holds columns `48 p` to `48 p + 47` of the output: for each input,
/// their 48 weights side by side. Columns missing from the last panel are zero.
pub struct Linear<W> {
    weights: Vec<(W, usize)>,
    /// Whether the weights, of one matrix then, are stored `[n_in, n_out]`.
    by_input: bool,
    panels: OnceLock<Panels>,
    bias: Option<Vec<f32>>,
    n_in: usize,
    n_out: usize,
}

enum Panels {
    F32(Buffer<f32>),
    F16(Buffer<u16>),
    Bf16(Buffer<u16>),
}

/// What happens to a product before it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing.
    Store,
    /// A function of each element.
    Activate(Activation),
    /// `[rows, n_out]` is added: the residual stream.
    Add(&'a [f32]),
}

/// A function of one number, as models use between two layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Activation {
    /// `x Φ(x)`, the exact form, by erf.
    Gelu,
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`.
    GeluTanh,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
    /// `x sigmoid(x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

impl Activation {
    /// Applies the function to every element.
    pub fn apply(self, compute: &Compute, x: &mut [f32]) {
        for_each_part(compute, x, 1 << 13, |_, x| {
            compute.isa().run(Activate { activation: self, x });
        });
    }
}

/// Rows that one task takes at most: their input and sums stay in the second-level cache, while all panels pass by.
const TASK_ROWS: usize = 128;

/// The same for weights in place: each task turns its panel anew, which takes as long as four to
/// eight rows do.
const TASK_ROWS_IN_PLACE: usize = 256;

/// From so many rows on, weights in place may be copied for a task. Fewer rows are steps of a text that is continued,
/// which follow each other: pages that are mapped once serve all of them.
const COPIED_ROWS: usize = 8;

impl<W: AsStored> Linear<W> {
    /// A layer of a weight matrix `[n_out, n_in]`, packed unless it is quantised.
    ///
    /// # Panics
    /// When the weight has not `n_out * n_in` numbers or the bias not `n_out`.
    #[must_use]
    pub fn pack(
        compute: &Compute,
        weight: W,
        n_out: usize,
        n_in: usize,
        bias: Option<Vec<f32>>,
    ) -> Linear<W> {
        let layer = Linear::in_place(vec![(weight, n_out)], n_in, bias);
        layer.make_panels(compute, &Arena::default());
        layer
    }

    /// A layer of several matrices `[n_out, n_in]`, stacked: one product gives all
    /// their columns side by side. Nothing is copied or even read.
    ///
    /// # Panics
    /// When a weight has not `n_out * n_in` numbers or the bias not one for
    /// each column.
    #[must_use]
    pub fn in_place(weights: Vec<(W, usize)>, n_in: usize, bias: Option<Vec<f32>>) -> Linear<W> {
        for (weight, n_out) in &weights {
            assert_eq!(weight.stored().len(), n_out * n_in, "numbers of a weight");
        }
        Linear::with(weights, false, n_in, bias)
    }

    /// A layer of a matrix that is stored `[n_in, n_out]`, as GPT-2's are.
    ///
    /// # Panics
    /// When the weight has not `n_in * n_out` numbers or the bias not `n_out`.
    #[must_use]
    pub fn by_input(weight: W, n_out: usize, n_in: usize, bias: Option<Vec<f32>>) -> Linear<W> {
        assert_eq!(weight.stored().len(), n_in * n_out, "numbers of a weight");
        Linear::with(vec![(weight, n_out)], true, n_in, bias)
    }

    fn with(weights: Vec<(W, usize)>, by_input: bool, n_in: usize, bias: Option<Vec<f32>>) -> Linear<W> {
        let n_out = weights.iter().map(|(_, n_out)| n_out).sum();
        if let Some(bias) = &bias {
            assert_eq!(bias.len(), n_out, "numbers of the bias");
        }
        Linear { weights, by_input, panels: OnceLock::new(), bias, n_in, n_out }
    }

    /// Packs the weights, unless they are, and tells those who keep them that they will hardly
    /// be read again. Products on other threads go on meanwhile, in place.
    ///
    /// Matrices of one dtype keep it; different ones are widened to f32. Quantised ones stay in place.
    /// Panels take their place in the arena, as far as it has room.
    pub fn make_panels(&self, compute: &Compute, arena: &Arena) {
        let Some(dtype) = self.dtype_of_panels() else { return };
        let mut fresh = false;
        self.panels.get_or_init(|| {
            fresh = true;
            let by_input = self.by_input;
            let sources: Vec<Source> = (self.weights.iter())
                .map(|(weight, n_out)| Source { weight, n_out: *n_out, by_input })
                .collect();
            Panels::of(compute, arena, dtype, &sources, self.n_in)
        });
        if fresh {
            self.weights.iter().for_each(|(weight, _)| weight.hardly_needed());
        }
    }

    /// Bytes that panels will take in an arena: none once they are made, or if they never will be.
    #[must_use]
    pub fn bytes_of_panels(&self) -> usize {
        match self.dtype_of_panels() {
            Some(dtype) if self.panels.get().is_none() => {
                dtype.bytes(self.n_out.next_multiple_of(PANEL) * self.n_in)
            }
            _ => 0,
        }
    }

    /// None where weights stay in place.
    fn dtype_of_panels(&self) -> Option<Dtype> {
        let mut dtypes = self.weights.iter().map(|(weight, _)| weight.stored().dtype);
        let first = dtypes.next()?;
        let alike = dtypes.clone().all(|dtype| dtype == first);
        let quantised = first.is_quantised() || dtypes.any(Dtype::is_quantised);
        (!quantised).then_some(if alike { first } else { Dtype::F32 })
    }

    /// Columns of the input.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Columns of the output.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// `out = epilogue(x Wᵀ + b)`: x `[rows, n_in]`, out `[rows, n_out]`.
    ///
    /// A row of the result depends on that row of x alone, to the bit: not on
    /// the other rows, their number, the number of threads, or whether the weights are packed.
    /// With the instruction set `amx` it depends on whether there are more than 16 rows, too.
    ///
    /// Returns whether every sum was finite. A weight that is not makes all sums of its column
    /// NaN or infinite, so nobody need look at the weights themselves beforehand.
    ///
    /// # Panics
    /// When x, out or what is added has another size.
    pub fn forward(
        &self,
        compute: &Compute,
        x: &[f32],
        rows: usize,
        epilogue: Epilogue,
        out: &mut [f32],
    ) -> bool {
        assert_eq!(x.len(), rows * self.n_in, "x [rows, n_in]");
        assert_eq!(out.len(), rows * self.n_out, "out [rows, n_out]");
        if let Epilogue::Add(residual) = epilogue {
            assert_eq!(residual.len(), out.len(), "residual [rows, n_out]");
        }
        #[cfg(target_arch = "x86_64")]
        if rows > amx::ROWS
            && let Some(tiles) = compute.isa().tiles()
        {
            let mut finite = true;
            for from in (0..rows).step_by(amx::ROWS_AT_ONCE) {
                let rows = amx::ROWS_AT_ONCE.min(rows - from);
                let x = &x[from * self.n_in..(from + rows) * self.n_in];
                let part = from * self.n_out..(from + rows) * self.n_out;
                let epilogue = match epilogue {
                    Epilogue::Add(residual) => Epilogue::Add(&residual[part.clone()]),
                    _ => epilogue,
                };
                finite &= Planes::with(tiles, compute, x, self.n_in, |planes| {
                    self.multiply(compute, Input::Planes(planes), rows, epilogue, &mut out[part])
                });
            }
            return finite;
        }
        self.multiply(compute, Input::Numbers(x), rows, epilogue, out)
    }

    /// What [`Linear::forward`] says, in tasks of a panel and some rows.
    fn multiply(
        &self,
        compute: &Compute,
        x: Input,
        rows: usize,
        epilogue: Epilogue,
        out: &mut [f32],
    ) -> bool {
        let panels = self.n_out.div_ceil(PANEL);
        let packed = self.panels.get();
        let (unit, task_rows) = x.task_rows(packed.is_some());
        let groups = row_groups(rows, panels, task_rows, compute.threads());
        let first = |group: usize| rows.min(group * rows.div_ceil(unit) / groups * unit);
        let (out, finite) = (Shared::new(out), AtomicBool::new(true));
        compute.for_each_chunk(panels * groups, |task| {
            let (panel, group) = (task % panels, task / panels);
            let task =
                Task { layer: self, packed, panel, rows: first(group)..first(group + 1), x, epilogue, out };
            if !task.run(compute) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }

    /// The rows of the file that a panel would be made of.
    fn rows(&self, panel: usize) -> Rows<'_> {
        Rows::new((panel * PANEL..self.n_out.min((panel + 1) * PANEL)).map(|column| self.row(column)))
    }

    /// The same, copied; `None` where they are better read where they lie.
    fn copied_rows<'c>(&self, panel: usize, mut to: &'c mut [u8]) -> Option<Rows<'c>> {
        let columns = panel * PANEL..self.n_out.min((panel + 1) * PANEL);
        let (mut rows, mut first) = (Vec::with_capacity(PANEL), 0);
        for (weight, n_out) in &self.weights {
            let part = columns.start.max(first)..columns.end.min(first + n_out);
            if !part.is_empty() {
                let dtype = weight.stored().dtype;
                let (here, rest) = to.split_at_mut(part.len() * dtype.bytes(self.n_in));
                if !weight.copy_rows(part.start - first..part.end - first, self.n_in, here) {
                    return None;
                }
                let here: &[u8] = here;
                rows.extend(here.chunks_exact(dtype.bytes(self.n_in)).map(|bytes| Stored { dtype, bytes }));
                to = rest;
            }
            first += n_out;
        }
        Some(Rows::new(rows.into_iter()))
    }

    /// Numbers of scratch that a copy of a panel's rows takes, if they are to be copied.
    fn room_for_rows(&self) -> usize {
        let can_be_copied =
            || self.weights.iter().all(|(weight, _)| weight.copy_rows(0..0, self.n_in, &mut []));
        if !self.by_input && can_be_copied() { PANEL * self.n_in } else { 0 }
    }

    /// The weights of an output.
    fn row(&self, mut column: usize) -> Stored<'_> {
        for (weight, n_out) in &self.weights {
            if column < *n_out {
                return weight.row(column, self.n_in);
            }
            column -= n_out;
        }
        unreachable!("columns are those of the weights")
    }
}

impl Panels {
    fn of(compute: &Compute, arena: &Arena, dtype: Dtype, sources: &[Source], n_in: usize) -> Panels {
        let n_out = sources.iter().map(|s| s.n_out).sum();
        match dtype {
            Dtype::F16 => Panels::F16(pack(compute, arena, sources, n_out, n_in)),
            Dtype::Bf16 => Panels::Bf16(pack(compute, arena, sources, n_out, n_in)),
            _ if sources.iter().all(|s| s.weight.stored().dtype == Dtype::F32) => {
                Panels::F32(pack(compute, arena, sources, n_out, n_in))
            }
            _ => Panels::F32(pack_widened(compute, arena, sources, n_out, n_in)),
        }
    }

    /// Panel `panel` of `size` numbers.
    fn panel(&self, panel: usize, size: usize) -> Numbers<'_> {
        let range = panel * size..(panel + 1) * size;
        match self {
            Panels::F32(b) => Numbers::F32(&b[range]),
            Panels::F16(b) => Numbers::F16(&b[range]),
            Panels::Bf16(b) => Numbers::Bf16(&b[range]),
        }
    }

    /// Where a panel begins, or would begin: for prefetching.
    fn address(&self, panel: usize, size: usize) -> *const u8 {
        match self {
            Panels::F32(b) => b.as_ptr().wrapping_add(panel * size).cast(),
            Panels::F16(b) | Panels::Bf16(b) => b.as_ptr().wrapping_add(panel * size).cast(),
        }
    }
}

/// Into how many groups rows are split: enough to keep all threads busy to the
/// end, but no group smaller than two tiles, for each group reads the panel again.
fn row_groups(rows: usize, panels: usize, task_rows: usize, threads: usize) -> usize {
    let for_balance = (3 * threads).div_ceil(panels.max(1)).min(rows / 16);
    rows.div_ceil(task_rows).max(for_balance).max(1)
}

/// Rows of x, as they are to be multiplied.
#[derive(Clone, Copy)]
enum Input<'a> {
    Numbers(&'a [f32]),
    #[cfg(target_arch = "x86_64")]
    Planes(Planes<'a>),
}

impl Input<'_> {
    /// Room for what a task of so many rows needs: weights and sums.
    fn scratch(self, rows: usize) -> usize {
        match self {
            Input::Numbers(_) => (DEPTH + rows) * PANEL,
            #[cfg(target_arch = "x86_64")]
            Input::Planes(_) => amx::SCRATCH + rows.next_multiple_of(amx::ROWS) * PANEL,
        }
    }

    /// How many rows stay together, and how many a task takes at most.
    fn task_rows(self, packed: bool) -> (usize, usize) {
        match self {
            Input::Numbers(_) if packed => (1, TASK_ROWS),
            Input::Numbers(_) => (1, TASK_ROWS_IN_PLACE),
            #[cfg(target_arch = "x86_64")]
            Input::Planes(_) => (amx::ROWS, amx::TASK_ROWS),
        }
    }
}

/// Some rows times one panel.
struct Task<'a, W> {
    layer: &'a Linear<W>,
    packed: Option<&'a Panels>,
    panel: usize,
    rows: Range<usize>,
    x: Input<'a>,
    epilogue: Epilogue<'a>,
    out: Shared<'a, f32>,
}

impl<W: AsStored> Task<'_, W> {
    /// Returns whether all sums were finite.
    fn run(self, compute: &Compute) -> bool {
        let (layer, rows) = (self.layer, self.rows.len());
        let columns = PANEL.min(layer.n_out - self.panel * PANEL);
        let size = layer.n_in * PANEL;
        let in_place = self.packed.is_none();
        let room = if in_place && rows >= COPIED_ROWS { layer.room_for_rows() } else { 0 };
        with_scratch(room + self.x.scratch(rows), |scratch| {
            let (copied, scratch) = scratch.split_at_mut(room);
            let (in_rows, in_columns);
            let (b, upcoming) = match self.packed {
                Some(panels) => (panels.panel(self.panel, size), panels.address(self.panel + 1, size)),
                None if layer.by_input => {
                    let (matrix, n_out) = (layer.weights[0].0.stored(), layer.n_out);
                    in_columns = Columns { matrix, n_out, first: self.panel * PANEL, count: columns };
                    (Numbers::Columns(&in_columns), in_columns.later(1))
                }
                None => {
                    let copied =
                        if room > 0 { layer.copied_rows(self.panel, as_bytes(copied)) } else { None };
                    in_rows = copied.unwrap_or_else(|| layer.rows(self.panel));
                    (Numbers::Rows(&in_rows), in_rows.address(size))
                }
            };
            let sums = match self.x {
                Input::Numbers(x) => {
                    let (wide, sums) = scratch.split_at_mut(DEPTH * PANEL);
                    compute.isa().run(Product {
                        rows,
                        depth: layer.n_in,
                        columns,
                        a: &x[self.rows.start * layer.n_in..],
                        a_stride: layer.n_in,
                        b,
                        b_stride: PANEL,
                        c: sums,
                        c_stride: PANEL,
                        add: false,
                        wide,
                        upcoming,
                        landing: Some((
                            self.out.address(self.rows.start * layer.n_out + self.panel * PANEL),
                            layer.n_out,
                        )),
                    });
                    sums
                }
                #[cfg(target_arch = "x86_64")]
                Input::Planes(x) => {
                    let (scratch, sums) = scratch.split_at_mut(amx::SCRATCH);
                    TileProduct { rows: self.rows.clone(), x, b, scratch, sums, upcoming }.run();
                    sums
                }
            };
            let bias = layer.bias.as_deref().map(|bias| &bias[self.panel * PANEL..][..columns]);
            let Task { panel, rows, epilogue, out, .. } = self;
            let first = panel * PANEL;
            compute.isa().run(Finish { bias, rows, epilogue, out, first, n_out: layer.n_out, columns, sums })
        })
    }
}

/// Bias, epilogue and store of a task's sums.
struct Finish<'a> {
    bias: Option<&'a [f32]>,
    rows: Range<usize>,
    epilogue: Epilogue<'a>,
    out: Shared<'a, f32>,
    first: usize,
    n_out: usize,
    columns: usize,
    sums: &'a [f32],
}

impl Kernel for Finish<'_> {
    /// Whether all sums are finite.
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        // As a constant, the width of a whole panel lets rows be unrolled.
        match self.columns {
            PANEL => self.store(simd, PANEL),
            columns => self.store(simd, columns),
        }
    }
}

impl Finish<'_> {
    #[inline(always)]
    fn store<S: Simd>(self, simd: S, columns: usize) -> bool {
        let mut bias = [-0.0; PANEL]; // what adds nothing, not even to the sign of a zero
        if let Some(numbers) = self.bias {
            bias[..columns].copy_from_slice(numbers);
        }
        let whole = columns / S::LANES * S::LANES;
        let activation = match self.epilogue {
            Epilogue::Activate(activation) => Some(activation),
            _ => None,
        };
        // Zero times each sum: NaN once one is not finite. Several, so that none waits for the one before.
        let mut nothing = [simd.zero(); 4];
        let mut rest = 0.0;
        for (row, sums) in self.rows.zip(self.sums.chunks_exact(PANEL)) {
            let from = row * self.n_out + self.first;
            // SAFETY: this task alone has these rows of this panel's columns.
            #[allow(unsafe_code)]
            let out = unsafe { self.out.part(from..from + columns) };
            let residual = match self.epilogue {
                Epilogue::Add(residual) => Some(&residual[from..from + columns]),
                _ => None,
            };
            for i in (0..whole).step_by(S::LANES) {
                let sum = load(simd, &sums[i..]);
                let nothing = &mut nothing[i / S::LANES % 4];
                *nothing = simd.fma(sum, simd.zero(), *nothing);
                let mut y = simd.add(sum, load(simd, &bias[i..]));
                if let Some(residual) = residual {
                    y = simd.add(y, load(simd, &residual[i..]));
                }
                if let Some(activation) = activation {
                    y = activate(simd, activation, y);
                }
                store(simd, &mut out[i..], y);
            }
            for i in whole..columns {
                rest += 0.0 * sums[i];
                out[i] = sums[i] + bias[i] + residual.map_or(-0.0, |residual| residual[i]);
            }
            if let Some(activation) = activation {
                Activate { activation, x: &mut out[whole..] }.run(simd);
            }
        }
        let mut total = simd.sums();
        for nothing in nothing {
            total = simd.accumulate(total, nothing);
        }
        simd.total(total) + f64::from(rest) == 0.0
    }
}

/// A matrix to be packed.
#[derive(Clone, Copy)]
struct Source<'a> {
    weight: &'a dyn AsStored,
    n_out: usize,
    /// Whether it is stored `[n_in, n_out]`.
    by_input: bool,
}

/// Packs matrices of one dtype, stacked, or one that is stored `[n_in, n_out]`.
fn pack<T: Plain>(
    compute: &Compute,
    arena: &Arena,
    sources: &[Source],
    n_out: usize,
    n_in: usize,
) -> Buffer<T> {
    let mut panels = arena.zeroed(n_out.div_ceil(PANEL) * n_in * PANEL);
    for_each_part(compute, &mut panels, n_in * PANEL, |p, panel| {
        let columns = p * PANEL..n_out.min((p + 1) * PANEL);
        match sources {
            [source] if source.by_input => {
                for (i, to) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let row = i * n_out;
                    let from = source.weight.stored().slice(row + columns.start..row + columns.end);
                    T::read(from.bytes, &mut to[..columns.len()]);
                }
            }
            _ => {
                let rows: Vec<&[u8]> = columns.map(|c| row_of(sources, c, n_in)).collect();
                pack_panel(&rows, panel);
            }
        }
    });
    panels
}

/// The weights of a column of stacked matrices.
fn row_of<'a>(sources: &'a [Source<'a>], column: usize, n_in: usize) -> &'a [u8] {
    let mut row = column;
    for source in sources {
        if row < source.n_out {
            return source.weight.row(row, n_in).bytes;
        }
        row -= source.n_out;
    }
    &[]
}

/// Turns rows of weights, one for each column, into the columns of a panel.
///
/// Sixteen rows at a time, along their whole length: so many streams the
/// processor can fetch ahead, and every line of the panel is written once.
fn pack_panel<T: Plain>(rows: &[&[u8]], panel: &mut [T]) {
    for (g, rows) in rows.chunks(GROUP).enumerate() {
        for (i, block) in panel.chunks_mut(GROUP * PANEL).enumerate() {
            let count = block.len() / PANEL;
            let mut square = [[T::default(); GROUP]; GROUP];
            for (numbers, row) in square.iter_mut().zip(rows) {
                let from = i * GROUP * size_of::<T>();
                T::read(&row[from..from + count * size_of::<T>()], &mut numbers[..count]);
            }
            turn(&square, &mut block[g * GROUP..], PANEL);
        }
    }
}

/// Packs matrices of different dtypes, each widened to f32 first.
fn pack_widened(
    compute: &Compute,
    arena: &Arena,
    sources: &[Source],
    n_out: usize,
    n_in: usize,
) -> Buffer<f32> {
    let widened = |s: &Source| -> Vec<u8> {
        let (rows, width) = if s.by_input { (n_in, s.n_out) } else { (s.n_out, n_in) };
        (0..rows).flat_map(|row| s.weight.row(row, width).to_f32()).flat_map(f32::to_le_bytes).collect()
    };
    let wide: Vec<Vec<u8>> = sources.iter().map(widened).collect();
    let wide: Vec<Stored> = wide.iter().map(|bytes| Stored { dtype: Dtype::F32, bytes }).collect();
    let sources: Vec<Source> =
        sources.iter().zip(&wide).map(|(source, weight)| Source { weight, ..*source }).collect();
    pack(compute, arena, &sources, n_out, n_in)
}
