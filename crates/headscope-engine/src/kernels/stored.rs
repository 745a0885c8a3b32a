//! Numbers as a checkpoint stores them, widened exactly when they are used.

use super::Compute;
use super::quantised;
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
    /// ggml's blocks of 32: a scale, four bits each.
    Q4_0,
    /// The same with an offset.
    Q4_1,
    /// ggml's blocks of 32: a scale, five bits each.
    Q5_0,
    /// The same with an offset.
    Q5_1,
    /// ggml's blocks of 32: a scale, eight bits each.
    Q8_0,
    /// ggml's blocks of 256: eight scales and offsets, four bits each.
    Q4K,
    /// ggml's blocks of 256: eight scales and offsets, five bits each.
    Q5K,
    /// ggml's blocks of 256: sixteen scales, six bits each.
    Q6K,
}

impl Dtype {
    /// Every one, by the name that files give it.
    pub const NAMES: [(&str, Dtype); 11] = [
        ("F32", Dtype::F32),
        ("F16", Dtype::F16),
        ("BF16", Dtype::Bf16),
        ("Q4_0", Dtype::Q4_0),
        ("Q4_1", Dtype::Q4_1),
        ("Q5_0", Dtype::Q5_0),
        ("Q5_1", Dtype::Q5_1),
        ("Q8_0", Dtype::Q8_0),
        ("Q4_K", Dtype::Q4K),
        ("Q5_K", Dtype::Q5K),
        ("Q6_K", Dtype::Q6K),
    ];

    /// The dtype that files call `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Dtype> {
        Dtype::NAMES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype)
    }

    /// How many numbers are stored together, and the bytes that they take.
    #[must_use]
    pub fn block(self) -> (usize, usize) {
        match self {
            Dtype::F32 => (1, 4),
            Dtype::F16 | Dtype::Bf16 => (1, 2),
            Dtype::Q4_0 => (32, 18),
            Dtype::Q4_1 => (32, 20),
            Dtype::Q5_0 => (32, 22),
            Dtype::Q5_1 => (32, 24),
            Dtype::Q8_0 => (32, 34),
            Dtype::Q4K => (256, 144),
            Dtype::Q5K => (256, 176),
            Dtype::Q6K => (256, 210),
        }
    }

    /// Whether several numbers share a scale.
    #[must_use]
    pub fn is_quantised(self) -> bool {
        self.block().0 > 1
    }

    /// Bytes of so many numbers, of whole blocks.
    #[must_use]
    pub fn bytes(self, numbers: usize) -> usize {
        let (block, bytes) = self.block();
        numbers / block * bytes
    }
}

/// Numbers in a file: row-major, little-endian, at any alignment.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// How each number is stored.
    pub dtype: Dtype,
    /// All of them, in whole blocks.
    pub bytes: &'a [u8],
}

/// What keeps numbers of a checkpoint in memory.
pub trait AsStored: Send + Sync {
    /// The numbers.
    fn stored(&self) -> Stored<'_>;

    /// Row `row` of a matrix whose rows have `width` numbers, in the order that a model asks for, which
    /// need not be that of the file.
    fn row(&self, row: usize, width: usize) -> Stored<'_> {
        self.stored().slice(row * width..(row + 1) * width)
    }

    /// Copies rows of a matrix whose rows have `width` numbers, where that is quicker than to read them where they lie, as
    /// they are: of a file, to map a page that is read once takes longer than to copy it. Otherwise says `false`.
    ///
    /// No rows are copied to find out.
    fn copy_rows(&self, rows: Range<usize>, width: usize, to: &mut [u8]) -> bool {
        let _ = (rows, width, to);
        false
    }

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
        let (block, bytes) = self.dtype.block();
        self.bytes.len() / bytes * block
    }

    /// Whether there is no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers `range`, still as stored.
    ///
    /// # Panics
    /// When the range is not within the numbers, or cuts a block.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Stored<'a> {
        let (block, _) = self.dtype.block();
        assert!(range.start.is_multiple_of(block) && range.end.is_multiple_of(block), "whole blocks");
        let bytes = self.dtype.bytes(range.start)..self.dtype.bytes(range.end);
        Stored { dtype: self.dtype, bytes: &self.bytes[bytes] }
    }

    /// Writes numbers `range` as f32, exactly.
    ///
    /// # Panics
    /// When the range is not within the numbers, or `out` has another length.
    pub fn widen(&self, range: Range<usize>, out: &mut [f32]) {
        assert_eq!(range.len(), out.len());
        if self.dtype.is_quantised() {
            return self.widen_blocks(range, out);
        }
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
            _ => unreachable!("quantised numbers are widened above"),
        }
    }

    /// Widens whole steps, and takes of the first and last what is asked for.
    fn widen_blocks(&self, range: Range<usize>, mut out: &mut [f32]) {
        let step = quantised::step(self.dtype);
        let mut from = range.start;
        while from < range.end {
            let (first, skip) = (from / step * step, from % step);
            let whole = out.len() / step * step;
            let count = if skip == 0 && whole > 0 { whole } else { out.len().min(step - skip) };
            let (now, rest) = std::mem::take(&mut out).split_at_mut(count);
            if count == whole && skip == 0 {
                quantised::widen(self.dtype, self.bytes, first, now);
            } else {
                let mut wide = [0.0; 128];
                quantised::widen(self.dtype, self.bytes, first, &mut wide[..step]);
                now.copy_from_slice(&wide[skip..skip + count]);
            }
            (from, out) = (from + count, rest);
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
        let (_, block) = self.dtype.block();
        let chunk = (1 << 20) / block * block;
        let finite = AtomicBool::new(true);
        compute.for_each_chunk(self.bytes.len().div_ceil(chunk), |i| {
            let end = self.bytes.len().min((i + 1) * chunk);
            if !self.chunk_is_finite(&self.bytes[i * chunk..end]) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }

    /// A number is finite unless its exponent is all ones; of quantised numbers, those of a block are
    /// when its scales are. No branch inside the loops, so that they become vector code.
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
            dtype => bytes.chunks_exact(dtype.block().1).any(|block| {
                let upper = quantised::halves(dtype).iter().map(|at| block[at + 1]);
                upper.fold(false, |bad, byte| bad | (byte & 0x7c == 0x7c))
            }),
        };
        !bad
    }
}
