//! Memory for panels and scratch: aligned to cache lines, in huge pages where it is large.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
pub(super) const LINE: usize = 64;

/// Huge pages have 2 MiB on x86-64, and on most of aarch64.
const HUGE: usize = 2 << 20;

/// A slice whose first element begins a cache line.
pub(super) struct Buffer<T: Plain> {
    start: *mut T,
    len: usize,
    _memory: Arc<Memory>,
}

// SAFETY: a buffer is the only one that has its part of the memory, as a Vec has its own.
#[allow(unsafe_code)]
unsafe impl<T: Plain> Send for Buffer<T> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<T: Plain> Sync for Buffer<T> {}

impl<T: Plain> Buffer<T> {
    /// `len` zeros. A large buffer's pages are not touched yet, so that the
    /// threads that fill it share the work of clearing them.
    pub(super) fn zeroed(len: usize) -> Buffer<T> {
        let memory = Memory::zeroed(len * size_of::<T>(), LINE);
        Buffer { start: memory.start.cast(), len, _memory: Arc::new(memory) }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many numbers lie there, aligned, and all zeros are numbers; the buffer keeps their memory.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.start, self.len)
        }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has them.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.start, self.len)
        }
    }
}

/// Memory in which panels take their places one after another, so that those of small layers lie in huge pages, too.
///
/// In a virtual machine a page that is not in the processor's table takes hundreds of cycles to find, and few rows go
/// through 36 pages of 4 KiB in every panel of BERT-base: with all panels in huge pages 8 tokens took a
/// twentieth less, and gte-small's a fourteenth (2 threads, AMD Zen 3).
#[derive(Default)]
pub struct Arena {
    memory: Option<Arc<Memory>>,
    used: AtomicUsize,
}

impl Arena {
    /// Room for buffers of so many bytes, of which nothing is touched yet. What finds none has memory of its own.
    #[must_use]
    pub fn new(buffers: impl IntoIterator<Item = usize>) -> Arena {
        let bytes: usize = buffers.into_iter().map(|bytes| bytes.next_multiple_of(LINE)).sum();
        let memory = (bytes >= HUGE).then(|| Arc::new(Memory::zeroed(bytes, HUGE)));
        Arena { memory, used: AtomicUsize::new(0) }
    }

    /// `len` zeros.
    pub(super) fn zeroed<T: Plain>(&self, len: usize) -> Buffer<T> {
        let bytes = (len * size_of::<T>()).next_multiple_of(LINE);
        if let Some(memory) = &self.memory {
            let from = self.used.fetch_add(bytes, Ordering::Relaxed);
            if from + bytes <= memory.len {
                // SAFETY: these bytes are within the memory, and no other buffer will have them.
                #[allow(unsafe_code)]
                let start = unsafe { memory.start.add(from) };
                return Buffer { start: start.cast(), len, _memory: Arc::clone(memory) };
            }
        }
        Buffer::zeroed(len)
    }
}

/// Zeros that buffers have parts of.
struct Memory {
    whole: *mut [u8],
    /// Where the first buffer may begin, and bytes from there on.
    start: *mut u8,
    len: usize,
}

// SAFETY: it is nothing but memory, whose parts are handed out once.
#[allow(unsafe_code)]
unsafe impl Send for Memory {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Memory {}

impl Memory {
    fn zeroed(bytes: usize, align: usize) -> Memory {
        let len = bytes.next_multiple_of(LINE);
        let mut whole = vec![0; len + align].into_boxed_slice();
        let skip = whole.as_ptr().align_offset(align).min(align);
        advise_huge_pages(&mut whole[skip..skip + len]);
        let whole = Box::into_raw(whole);
        Memory { whole, start: whole.cast::<u8>().wrapping_add(skip), len }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and whoever has a part of it keeps it.
        #[allow(unsafe_code)]
        drop(unsafe { Box::from_raw(self.whole) });
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
    let pages = memory.as_mut_ptr_range();
    let start = pages.start.addr().next_multiple_of(HUGE);
    let len = pages.end.addr().saturating_sub(start) / HUGE * HUGE;
    if len == 0 {
        return;
    }
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

/// The bytes of numbers, to be written as such.
pub(super) fn as_bytes(numbers: &mut [f32]) -> &mut [u8] {
    // SAFETY: so many bytes are there, and all of them are numbers, whatever they are.
    #[allow(unsafe_code)]
    unsafe {
        std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers))
    }
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
