//! Blocks of quantised weights, widened to the numbers that ggml gives them, to the bit.
//!
//! A block holds 32 or 256 weights of one row: a scale in half precision, perhaps an offset, and a few
//! bits for each weight. Every product and sum below is rounded once, in ggml's order, so that any
//! instruction set gives the same numbers; the loops have no branch and become vector code.

use super::Dtype;
use half::f16;

/// How many numbers are widened in one step, a whole block or half of a large one.
pub(super) fn step(dtype: Dtype) -> usize {
    dtype.block().0.min(HALF)
}

/// Half of a large block, with scales of its own.
const HALF: usize = 128;

/// Widens numbers `from..from + out.len()` of some blocks, both multiples of [`step`].
///
/// # Panics
/// When the blocks end before.
#[inline(always)]
pub(super) fn widen(dtype: Dtype, blocks: &[u8], from: usize, out: &mut [f32]) {
    match dtype {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => unreachable!("numbers that stand alone"),
        Dtype::Q4_0 => each(blocks, from, out, q4_0),
        Dtype::Q4_1 => each(blocks, from, out, q4_1),
        Dtype::Q5_0 => each(blocks, from, out, q5_0),
        Dtype::Q5_1 => each(blocks, from, out, q5_1),
        Dtype::Q8_0 => each(blocks, from, out, q8_0),
        Dtype::Q4K => each(blocks, from, out, q4_k),
        Dtype::Q5K => each(blocks, from, out, q5_k),
        Dtype::Q6K => each(blocks, from, out, q6_k),
    }
}

/// Where a block has its numbers in half precision.
pub(super) fn halves(dtype: Dtype) -> &'static [usize] {
    match dtype {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => &[],
        Dtype::Q4_0 | Dtype::Q5_0 | Dtype::Q8_0 => &[0],
        Dtype::Q4_1 | Dtype::Q5_1 | Dtype::Q4K | Dtype::Q5K => &[0, 2],
        Dtype::Q6K => &[208],
    }
}

/// Widens step after step: of a small block there is one, of a large one two.
#[inline(always)]
fn each<const BYTES: usize, const STEP: usize>(
    blocks: &[u8],
    from: usize,
    out: &mut [f32],
    widen: impl Fn(&[u8; BYTES], usize, &mut [f32; STEP]),
) {
    let steps = if STEP == HALF { 2 } else { 1 };
    let (blocks, out) = (blocks.as_chunks::<BYTES>().0, out.as_chunks_mut::<STEP>().0);
    for (i, out) in (from / STEP..).zip(out) {
        widen(&blocks[i / steps], i % steps, out);
    }
}

#[inline(always)]
fn half<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// 16 weights in the low halves of 16 bytes, 16 in the high ones.
#[inline(always)]
fn nibbles(bytes: &[u8], out: &mut [f32; 32], weight: impl Fn(u8, usize) -> f32) {
    let (low, high) = out.split_at_mut(16);
    for i in 0..16 {
        low[i] = weight(bytes[i] & 15, i);
        high[i] = weight(bytes[i] >> 4, 16 + i);
    }
}

#[inline(always)]
fn q4_0(block: &[u8; 18], _: usize, out: &mut [f32; 32]) {
    let scale = half(block, 0);
    nibbles(&block[2..], out, |q, _| scale * (i32::from(q) - 8) as f32);
}

#[inline(always)]
fn q4_1(block: &[u8; 20], _: usize, out: &mut [f32; 32]) {
    let (scale, offset) = (half(block, 0), half(block, 2));
    nibbles(&block[4..], out, |q, _| scale * f32::from(q) + offset);
}

/// The fifth bits of 32 weights are one number.
#[inline(always)]
fn fifth_bits<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

#[inline(always)]
fn q5_0(block: &[u8; 22], _: usize, out: &mut [f32; 32]) {
    let (scale, fifth) = (half(block, 0), fifth_bits(block, 2));
    nibbles(&block[6..], out, |q, i| {
        let q = u32::from(q) | ((fifth >> i) & 1) << 4;
        scale * (q as i32 - 16) as f32
    });
}

#[inline(always)]
fn q5_1(block: &[u8; 24], _: usize, out: &mut [f32; 32]) {
    let (scale, offset, fifth) = (half(block, 0), half(block, 2), fifth_bits(block, 4));
    nibbles(&block[8..], out, |q, i| {
        let q = u32::from(q) | ((fifth >> i) & 1) << 4;
        scale * q as f32 + offset
    });
}

#[inline(always)]
fn q8_0(block: &[u8; 34], _: usize, out: &mut [f32; 32]) {
    let scale = half(block, 0);
    for (out, &q) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(q as i8) * scale;
    }
}

/// Scale and offset of 32 weights of a large block, number `i` of eight: six bits each, packed into
/// twelve bytes.
#[inline(always)]
fn scale_and_offset<const BYTES: usize>(block: &[u8; BYTES], i: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, offset) = match i {
        0..4 => (packed[i] & 63, packed[i + 4] & 63),
        _ => (packed[i + 4] & 15 | (packed[i - 4] >> 6) << 4, packed[i + 4] >> 4 | (packed[i] >> 6) << 4),
    };
    (half(block, 0) * f32::from(scale), half(block, 2) * f32::from(offset))
}

#[inline(always)]
fn q4_k(block: &[u8; 144], part: usize, out: &mut [f32; HALF]) {
    let (groups, _) = out.as_chunks_mut::<32>();
    for (g, group) in groups.iter_mut().enumerate() {
        let i = 4 * part + g;
        let (scale, offset) = scale_and_offset(block, i);
        let (bytes, shift) = (&block[16 + i / 2 * 32..][..32], i % 2 * 4);
        for (out, byte) in group.iter_mut().zip(bytes) {
            *out = scale * f32::from(byte >> shift & 15) - offset;
        }
    }
}

#[inline(always)]
fn q5_k(block: &[u8; 176], part: usize, out: &mut [f32; HALF]) {
    let fifth = &block[16..48];
    let (groups, _) = out.as_chunks_mut::<32>();
    for (g, group) in groups.iter_mut().enumerate() {
        let i = 4 * part + g;
        let (scale, offset) = scale_and_offset(block, i);
        let (bytes, shift) = (&block[48 + i / 2 * 32..][..32], i % 2 * 4);
        for ((out, byte), fifth) in group.iter_mut().zip(bytes).zip(fifth) {
            let q = byte >> shift & 15 | (fifth >> i & 1) << 4;
            *out = scale * f32::from(q) - offset;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], part: usize, out: &mut [f32; HALF]) {
    let (low, high, scales) =
        (&block[64 * part..][..64], &block[128 + 32 * part..][..32], &block[192 + 8 * part..][..8]);
    let whole = half(block, 208);
    let (groups, _) = out.as_chunks_mut::<16>();
    for (g, group) in groups.iter_mut().enumerate() {
        // Four times 32 weights: first the low halves of 64 bytes, then their high halves.
        let (quarter, first) = (g / 2, g % 2 * 16);
        let scale = whole * f32::from(scales[g] as i8);
        let (low, shift) = (&low[quarter % 2 * 32 + first..][..16], quarter / 2 * 4);
        let high = &high[first..][..16];
        for ((out, low), high) in group.iter_mut().zip(low).zip(high) {
            let q = low >> shift & 15 | (high >> (2 * quarter) & 3) << 4;
            *out = scale * (i32::from(q) - 32) as f32;
        }
    }
}
