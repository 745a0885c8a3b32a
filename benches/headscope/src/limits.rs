//! What no program exceeds here: multiply-adds in registers, and reading memory forwards.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headscope::Compute;
use headscope::engine::kernels::{multiply_adds, zeros};

/// Floating-point operations a second, at best, of all threads together.
pub fn peak(compute: &Compute) -> f64 {
    const ROUNDS: usize = 100_000;
    let operations = multiply_adds(compute, ROUNDS);
    operations / fastest(|| _ = black_box(multiply_adds(compute, ROUNDS)))
}

/// Bytes a second, at best, at which all threads together read a buffer of `bytes`, again and again.
///
/// A buffer as large as a model's weights, so that what fits into a cache here fits there. Which way
/// of reading is the fastest differs between processors; the best of several counts.
pub fn read(compute: &Compute, bytes: usize) -> f64 {
    const PARTS: usize = 64;
    let part = (bytes / 4).div_ceil(PARTS).next_multiple_of(8 * PAGE);
    let mut memory = zeros(PARTS * part); // in huge pages, as weights are
    memory.fill(1.0); // what was never written is all one page of zeros
    let sum = AtomicU64::new(0);
    let best = [read_streams::<1>, read_streams::<2>, read_streams::<4>, read_ahead]
        .into_iter()
        .map(|read| {
            fastest(|| {
                compute.for_each_chunk(PARTS, |i| {
                    sum.fetch_add(u64::from(read(&memory[i * part..][..part])), Ordering::Relaxed);
                });
            })
        })
        .fold(f64::INFINITY, f64::min);
    black_box(sum);
    size_of_val(memory.as_slice()) as f64 / best
}

/// Numbers of a page of memory, and of a cache line.
const PAGE: usize = 1024;
const LINE: usize = 16;

/// Reads `STREAMS` stretches of memory side by side.
fn read_streams<const STREAMS: usize>(memory: &[f32]) -> u32 {
    let stretch = memory.len() / STREAMS;
    let mut sums = [[0u32; LINE]; STREAMS];
    for at in (0..stretch).step_by(LINE) {
        for (stream, sums) in sums.iter_mut().enumerate() {
            add_line(sums, &memory[stream * stretch + at..][..LINE]);
        }
    }
    sums.iter().flatten().fold(0, |sum, x| sum ^ x)
}

/// Reads forwards, and a number of each line of the page after the next before it is needed.
fn read_ahead(memory: &[f32]) -> u32 {
    let mut sums = [0u32; LINE];
    let mut touched = 0;
    for at in (0..memory.len()).step_by(LINE) {
        touched ^= memory.get(at + PAGE).map_or(0, |x| x.to_bits());
        add_line(&mut sums, &memory[at..][..LINE]);
    }
    sums.iter().fold(touched, |sum, x| sum ^ x)
}

/// Every bit counts, and nothing takes part that could be slower than memory.
#[inline(always)]
fn add_line(sums: &mut [u32; LINE], line: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(line) {
        *sum ^= x.to_bits();
    }
}

/// Seconds of the fastest of the calls within a third of a second, at least two.
fn fastest(mut f: impl FnMut()) -> f64 {
    f();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while best.is_infinite() || begin.elapsed() < Duration::from_millis(330) {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
