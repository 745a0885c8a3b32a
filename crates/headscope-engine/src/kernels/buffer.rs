//! Memory for panels and scratch: aligned to cache lines, in huge pages where it is large.
#![allow(unsafe_code)] // An allocation with an alignment that `Vec` cannot promise.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Numbers that any bit pattern is a value of, zero included.
pub(super) trait Plain: Copy + 'static {}
impl Plain for f32 {}
impl Plain for u16 {}

/// A slice whose first element begins a cache line.
pub(super) struct Buffer<T: Plain> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: a buffer owns its memory as a Vec does.
unsafe impl<T: Plain + Send> Send for Buffer<T> {}
// SAFETY: as above.
unsafe impl<T: Plain + Sync> Sync for Buffer<T> {}

/// A vector register of the widest kind never straddles two lines at this alignment.
const LINE: usize = 64;

impl<T: Plain> Buffer<T> {
    /// `len` zeros. Pages of a large buffer are not touched yet.
    pub(super) fn zeroed(len: usize) -> Buffer<T> {
        if len == 0 {
            return Buffer { start: NonNull::dangling(), len };
        }
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start.cast()) else { handle_alloc_error(layout) };
        Buffer { start, len }
    }

    fn layout(len: usize) -> Layout {
        Layout::array::<T>(len)
            .and_then(|layout| layout.align_to(LINE))
            .unwrap_or_else(|_| panic!("a buffer of {len} numbers exceeds the address space"))
    }
}

impl<T: Plain> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated in `zeroed` with the same layout.
            unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.len)) };
        }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` numbers were allocated and set to zero; `start` is
        // aligned, and dangling only when there are none.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
