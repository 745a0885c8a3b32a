//! The arithmetic of a pass: matrix products with packed weights, attention, norms.

mod attend;
mod isa;
mod linear;
mod norm;
mod pool;
mod stored;

pub use attend::{AttendRule, Attended, Heads, attend, mix, softmax_rows};
pub use isa::{Isa, UnknownIsa};
pub use linear::{Activation, Epilogue, Linear};
pub use norm::{add, layer_norm, rms_norm};
pub use pool::Compute;
pub use stored::{Dtype, Stored};

/// Hands each chunk of a job its own part of a slice.
///
/// Chunk `i` of [`Compute::for_each_chunk`] gets elements `i * size` up to
/// `(i + 1) * size` of `data`, the last chunk what is left.
#[allow(unsafe_code)] // Parts that do not overlap, shared out among threads.
pub(super) fn for_each_part(
    compute: &Compute,
    data: &mut [f32],
    size: usize,
    f: impl Fn(usize, &mut [f32]) + Sync,
) {
    struct Start(*mut f32);
    // SAFETY: every chunk derives a slice of its own from the pointer.
    unsafe impl Sync for Start {}
    let (len, start) = (data.len(), Start(data.as_mut_ptr()));
    let start = &start;
    compute.for_each_chunk(len.div_ceil(size.max(1)), |i| {
        let from = i * size;
        let count = size.min(len - from);
        // SAFETY: within `data`, which is borrowed mutably here, and no two
        // chunks have the same number, so no two parts overlap.
        f(i, unsafe { std::slice::from_raw_parts_mut(start.0.add(from), count) });
    });
}
