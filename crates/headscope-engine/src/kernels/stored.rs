//! Numbers as a checkpoint stores them, widened exactly when they are used.

use super::Compute;
use half::{bf16, f16};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a checkpoint stores numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Dtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Dtype {
    /// Bytes of one number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }
}

/// Numbers in a file: row-major, little-endian, at any alignment.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// How each number is stored.
    pub dtype: Dtype,
    /// All of them; the length is a multiple of the dtype's size.
    pub bytes: &'a [u8],
}

/// What keeps numbers of a checkpoint in memory.
pub trait AsStored: Send + Sync {
    /// The numbers.
    fn stored(&self) -> Stored<'_>;

    /// Says that they were copied elsewhere: should they be read again, it may take longer.
    fn hardly_needed(&self) {}
}

impl AsStored for Stored<'_> {
    fn stored(&self) -> Stored<'_> {
        *self
    }
}

impl<'a> Stored<'a> {
    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether there is no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers `range`, still as stored.
    ///
    /// # Panics
    /// When the range is not within the numbers.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Stored<'a> {
        let size = self.dtype.size();
        Stored { dtype: self.dtype, bytes: &self.bytes[range.start * size..range.end * size] }
    }

    /// Writes numbers `range` as f32, exactly.
    ///
    /// # Panics
    /// When the range is not within the numbers, or `out` has another length.
    pub fn widen(&self, range: Range<usize>, out: &mut [f32]) {
        assert_eq!(range.len(), out.len());
        let bytes = self.slice(range).bytes;
        match self.dtype {
            Dtype::F32 => {
                let (four, _) = bytes.as_chunks::<4>();
                out.iter_mut().zip(four).for_each(|(o, &b)| *o = f32::from_le_bytes(b));
            }
            Dtype::F16 => {
                let (two, _) = bytes.as_chunks::<2>();
                out.iter_mut().zip(two).for_each(|(o, &b)| *o = f16::from_le_bytes(b).to_f32());
            }
            Dtype::Bf16 => {
                let (two, _) = bytes.as_chunks::<2>();
                out.iter_mut().zip(two).for_each(|(o, &b)| *o = bf16::from_le_bytes(b).to_f32());
            }
        }
    }

    /// All numbers as f32, exactly.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.widen(0..self.len(), &mut out);
        out
    }

    /// Whether no number is infinite or NaN. Reads every byte, on all threads.
    #[must_use]
    pub fn all_finite(&self, compute: &Compute) -> bool {
        const CHUNK: usize = 1 << 20;
        let finite = AtomicBool::new(true);
        compute.for_each_chunk(self.bytes.len().div_ceil(CHUNK), |i| {
            let end = self.bytes.len().min((i + 1) * CHUNK);
            if !self.chunk_is_finite(&self.bytes[i * CHUNK..end]) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }

    /// A number is finite unless its exponent is all ones. No branch inside
    /// the loops, so that they become vector code.
    fn chunk_is_finite(&self, bytes: &[u8]) -> bool {
        let all_ones_16 = |mask: u16| {
            let (two, _) = bytes.as_chunks::<2>();
            two.iter().fold(false, |bad, &b| bad | (u16::from_le_bytes(b) & mask == mask))
        };
        let bad = match self.dtype {
            Dtype::F16 => all_ones_16(0x7c00),
            Dtype::Bf16 => all_ones_16(0x7f80),
            Dtype::F32 => {
                let (four, _) = bytes.as_chunks::<4>();
                let mask = 0x7f80_0000;
                four.iter().fold(false, |bad, &b| bad | (u32::from_le_bytes(b) & mask == mask))
            }
        };
        !bad
    }
}
