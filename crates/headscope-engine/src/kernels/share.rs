//! One slice, written by several threads in parts that do not overlap.
#![allow(unsafe_code)] // Mutable parts of one slice on several threads.

use super::Compute;
use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice that threads take parts of.
pub(super) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: parts are handed out by `part` only, whose callers promise that no
// two threads hold overlapping ones.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Shared<'a, T> {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// Where an element stands: for prefetching.
    pub(super) fn address(self, index: usize) -> *const T {
        self.start.wrapping_add(index)
    }

    /// Elements `range`, still to be taken in parts.
    ///
    /// # Panics
    /// When the range is not within the slice.
    pub(super) fn within(self, range: Range<usize>) -> Shared<'a, T> {
        assert!(range.start <= range.end && range.end <= self.len, "a part of the slice");
        // SAFETY: within the slice, as asserted, or one beyond its end if nothing is left.
        let start = unsafe { self.start.add(range.start) };
        Shared { start, len: range.len(), lifetime: PhantomData }
    }

    /// Elements `range`.
    ///
    /// # Safety
    /// While the result lives, no overlapping part is taken.
    ///
    /// # Panics
    /// When the range is not within the slice.
    pub(super) unsafe fn part(self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a part of the slice");
        // SAFETY: within the slice, as asserted, and alone, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

/// Hands each chunk of a job its own part of a slice.
///
/// Chunk `i` of [`Compute::for_each_chunk`] gets elements `i * size` up to
/// `(i + 1) * size` of `data`, the last chunk what is left.
pub(crate) fn for_each_part<T: Send>(
    compute: &Compute,
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let (len, size) = (data.len(), size.max(1));
    let shared = Shared::new(data);
    compute.for_each_chunk(len.div_ceil(size), |i| {
        let range = i * size..len.min((i + 1) * size);
        // SAFETY: no two chunks have the same number, so no two parts overlap.
        f(i, unsafe { shared.part(range) });
    });
}
