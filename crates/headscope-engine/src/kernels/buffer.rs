//! Memory for panels and scratch: aligned to cache lines, in huge pages where it is large.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// A number of which all-zero bits are a value, as files store it.
pub(super) trait Plain: Copy + Default + Send + Sync + 'static {
    /// Reads little-endian numbers.
    fn read(from: &[u8], to: &mut [Self]);
}

impl Plain for f32 {
    fn read(from: &[u8], to: &mut [f32]) {
        let (from, _) = from.as_chunks();
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = f32::from_le_bytes(from));
    }
}

impl Plain for u16 {
    fn read(from: &[u8], to: &mut [u16]) {
        let (from, _) = from.as_chunks();
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = u16::from_le_bytes(from));
    }
}

/// At this alignment no vector register straddles two cache lines.
const LINE: usize = 64;

/// Huge pages have 2 MiB on x86-64, and on most of aarch64.
const HUGE: usize = 2 << 20;

/// A slice whose first element begins a cache line.
pub(super) struct Buffer<T: Plain> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Plain> Buffer<T> {
    /// `len` zeros. A large buffer's pages are not touched yet, so that the
    /// threads that fill it share the work of clearing them.
    pub(super) fn zeroed(len: usize) -> Buffer<T> {
        let slack = LINE / size_of::<T>();
        let mut memory = vec![T::default(); len + slack];
        advise_huge_pages(&mut memory);
        let start = memory.as_ptr().align_offset(LINE).min(slack);
        Buffer { memory, start, len }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..][..self.len]
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..][..self.len]
    }
}

/// `len` zeros for a large result, in huge pages where the system has them.
///
/// Patterns of a long text are hundreds of megabytes; clearing them 4 KiB at a
/// time takes longer than computing them.
#[must_use]
pub fn zeros(len: usize) -> Vec<f32> {
    let mut memory = vec![0.0; len];
    advise_huge_pages(&mut memory);
    memory
}

/// Asks the system to back untouched memory with huge pages. It may refuse.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // One call of the system, for which std has no function.
fn advise_huge_pages<T>(memory: &mut [T]) {
    use std::ffi::{c_int, c_void};
    const MADV_HUGEPAGE: c_int = 14;
    unsafe extern "C" {
        fn madvise(start: *mut c_void, len: usize, advice: c_int) -> c_int;
    }
    if size_of_val(memory) < 2 * HUGE {
        return;
    }
    let pages = memory.as_mut_ptr_range();
    let start = pages.start.addr().next_multiple_of(HUGE);
    let len = (pages.end.addr() - start) / HUGE * HUGE;
    let start = pages.start.with_addr(start);
    // SAFETY: the pages lie within `memory`, and the advice changes no byte of them.
    let _ = unsafe { madvise(start.cast(), len, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages<T>(_: &mut [T]) {}

/// Scratch up to this many numbers stays with its thread for the next call.
const KEPT: usize = 4 << 20;

/// Calls `f` with `len` numbers of scratch, whatever they are, which belong to this thread.
pub(super) fn with_scratch<T>(len: usize, f: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local! {
        static FREE: RefCell<Vec<Buffer<f32>>> = const { RefCell::new(Vec::new()) };
    }
    let mut buffer = FREE.with_borrow_mut(|free| match free.iter().position(|b| b.len >= len) {
        Some(i) => free.swap_remove(i),
        None => {
            // What is too small now was needed less: it makes room.
            free.pop();
            Buffer::zeroed(len.next_power_of_two())
        }
    });
    let result = f(&mut buffer[..len]);
    if buffer.len <= KEPT {
        FREE.with_borrow_mut(|free| free.push(buffer));
    }
    result
}

/// The bits of numbers, to be written as such.
#[cfg(target_arch = "x86_64")]
pub(super) fn as_bits(numbers: &mut [f32]) -> &mut [u32] {
    // SAFETY: both types have the same size and alignment, and all bits are a value of both.
    #[allow(unsafe_code)]
    unsafe {
        std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len())
    }
}
