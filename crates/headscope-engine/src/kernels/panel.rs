//! What a panel is: the weights of some columns of a product, an input's side by side, in any form that they have.
#![allow(unsafe_code)] // Registers read through pointers; every caller says why they are in bounds.

use super::buffer::LINE;
use super::columns::Columns;
use super::rows::Rows;
use super::simd::Simd;

/// Columns of a panel: three 16-lane registers, six of 8 lanes, twelve of 4.
pub(super) const PANEL: usize = 48;

/// Columns are computed in groups of this many; a panel's rows are read in whole groups.
pub(super) const GROUP: usize = 16;

/// Rows of a panel that one block takes at most.
///
/// A block of so many (128 x 48 f32, 24 KiB) stays in the first-level cache while
/// all rows of the input pass by.
pub(super) const DEPTH: usize = 128;

/// Writes the columns of a square as rows, `stride` apart, as far as `to` reaches.
pub(super) fn turn<T: Copy>(square: &[[T; GROUP]; GROUP], to: &mut [T], stride: usize) {
    for (i, to) in to.chunks_mut(stride).enumerate() {
        for (to, from) in to[..GROUP].iter_mut().zip(square) {
            *to = from[i];
        }
    }
}

/// At most sixteen numbers, zeros after them: of a constant size, for vector code.
#[inline(always)]
pub(super) fn padded(numbers: &[f32]) -> [f32; GROUP] {
    numbers.try_into().unwrap_or_else(|_| {
        let mut padded = [0.0; GROUP];
        padded[..numbers.len()].copy_from_slice(numbers);
        padded
    })
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

impl Numbers<'_> {
    pub(super) fn len(&self) -> usize {
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

    /// Lines of memory that a block takes: for prefetching.
    pub(super) fn lines(&self, stride: usize) -> usize {
        match self {
            Numbers::Rows(rows) => PANEL << rows.log2_lines(),
            Numbers::Columns(columns) => DEPTH << columns.log2_lines(),
            _ => (DEPTH * stride * self.size()).div_ceil(LINE),
        }
    }

    /// Where a number stands, or would stand: for prefetching.
    pub(super) fn address(&self, index: usize) -> *const u8 {
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

#[cfg(target_arch = "x86_64")]
impl F16 {
    /// The numbers that bits stand for.
    #[inline(always)]
    pub(super) fn of(bits: &[u16]) -> &[F16] {
        // SAFETY: the type is transparent.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Bf16 {
    /// The numbers that bits stand for.
    #[inline(always)]
    pub(super) fn of(bits: &[u16]) -> &[Bf16] {
        // SAFETY: the type is transparent.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

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
