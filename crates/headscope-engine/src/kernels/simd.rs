//! What a kernel asks of an instruction set.
#![allow(unsafe_code)] // Loads and stores through pointers; every caller says why they are in bounds.

/// The vector unit of one instruction set.
///
/// A value of an implementing type is the proof that its instructions exist on
/// this machine, which is why the arithmetic is safe to call.
pub(super) trait Simd: Copy {
    /// A register of [`Simd::LANES`] f32.
    type Vector: Copy;
    /// Numbers in a register; divides 16.
    const LANES: usize;
    /// Rows of the register tile, at most 8.
    const TILE_ROWS: usize;
    /// Registers in a row of the register tile, at most 3.
    const TILE_VECTORS: usize;
    /// Whether a tile asks for rows of the input, for where its result lands and, if they are few rows, for 16-bit weights
    /// before it needs them.
    const LOOKS_FAR: bool;
    /// Whether every tile widens 16-bit weights anew; otherwise the first one leaves them for the others.
    const READS_16: bool;

    /// Runs a kernel as a function of its own, for which the compiler has all registers.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

    /// All lanes zero.
    fn zero(self) -> Self::Vector;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::Vector;

    /// `a * b + c`, rounded once where the machine can.
    fn fma(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// `x`, computed before anything is loaded that comes later in the program.
    ///
    /// No instruction, but an order for the compiler: left alone, it loads for several
    /// steps at once and moves the sums of a tile out of registers to make room.
    fn pin(self, x: Self::Vector) -> Self::Vector;

    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a - b`.
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a * b`.
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a / b`.
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The larger of the two; `b` where one is a NaN.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The smaller of the two; `b` where one is a NaN.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `yes` where `a < b`, elsewhere `no`; a NaN is not less.
    fn select_less(
        self,
        a: Self::Vector,
        b: Self::Vector,
        yes: Self::Vector,
        no: Self::Vector,
    ) -> Self::Vector;

    /// The bits of `a` that `mask` has, and those of `b` that it has not.
    fn merge_bits(self, mask: u32, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `2^n`, where the low bits of `x` hold the integer n: `x = 1.5 * 2^23 + n`,
    /// with n from -127 (zero) to 128 (infinity).
    fn power_of_two(self, x: Self::Vector) -> Self::Vector;

    /// Sums of lanes, in f64.
    type Sums: Copy;

    /// Sums of nothing.
    fn sums(self) -> Self::Sums;

    /// `sums` and each lane of `x`.
    fn accumulate(self, sums: Self::Sums, x: Self::Vector) -> Self::Sums;

    /// All sums in one.
    fn total(self, sums: Self::Sums) -> f64;

    /// The largest lane.
    fn largest(self, x: Self::Vector) -> f32;

    /// Reads a register.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `from` on may be read.
    unsafe fn load(self, from: *const f32) -> Self::Vector;

    /// Writes a register.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `to` on may be written.
    unsafe fn store(self, to: *mut f32, x: Self::Vector);

    /// Widens half precision, exactly.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `from` on may be read.
    unsafe fn load_f16(self, from: *const u16) -> Self::Vector;

    /// Widens bfloat16, exactly.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `from` on may be read.
    unsafe fn load_bf16(self, from: *const u16) -> Self::Vector;

    /// Four numbers from each of `LANES / 4` places, side by side: from every fourth of `places`.
    ///
    /// # Safety
    /// Four numbers from each of these places on may be read, at any alignment.
    unsafe fn load_quads(self, places: [*const f32; 4]) -> Self::Vector;

    /// Turns squares: the four numbers `4 i..4 i + 4` of the four registers are the rows of square
    /// `i`, those of the result its columns.
    fn turn_quads(self, rows: [Self::Vector; 4]) -> [Self::Vector; 4];

    /// Asks for the cache line of an address, which need not exist, to come into
    /// the second-level cache.
    fn prefetch(self, from: *const u8);

    /// The same, into the first-level cache.
    fn prefetch_first(self, from: *const u8);

    /// The same, for a line that will be written.
    fn prefetch_to_write(self, to: *const u8);

    /// `x * 2^n`, where the low bits of `shifted` hold the integer n, as for
    /// [`Simd::power_of_two`]; x and the result are normal.
    fn shift_exponent(self, x: Self::Vector, shifted: Self::Vector) -> Self::Vector;

    /// `sums` and each of the numbers at `from`: widened on their way from memory,
    /// they need no shuffle.
    ///
    /// # Safety
    /// [`Simd::LANES`] numbers from `from` on may be read.
    unsafe fn accumulate_from(self, sums: Self::Sums, from: *const f32) -> Self::Sums;
}

/// Work that is compiled once for every instruction set and started by [`super::Isa::run`].
///
/// Every function between `run` and the instructions is `#[inline(always)]`:
/// only what is inlined into the entry of an instruction set is compiled with
/// its instructions.
pub(super) trait Kernel {
    /// What the work returns.
    type Output;

    /// Does the work with the instructions of `S`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
