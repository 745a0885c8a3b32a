//! What the page calls, with addresses in a memory that it lays out itself (`web/src/model/kernel.ts`).
#![allow(unsafe_code)]
#![allow(clippy::too_many_arguments)]

use core::slice::{from_raw_parts, from_raw_parts_mut};

use crate::{Lanes, PANEL, Rule};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// See [`crate::pack`].
///
/// # Safety
///
/// There are `count` vectors at `vectors`, and whole panels for them at `panels`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pack(vectors: *const f32, count: usize, width: usize, panels: *mut [f64; PANEL]) {
    let width = width.max(1); // so the optimiser knows that nothing divides by 0
    let room = count.div_ceil(PANEL) * width;
    // SAFETY: the caller's promise.
    let (vectors, panels) =
        unsafe { (from_raw_parts(vectors, count * width), from_raw_parts_mut(panels, room)) };
    crate::pack(vectors, width, panels);
}

/// See [`crate::dots`].
///
/// # Safety
///
/// There are so many panels at `queries` and `keys`, and room for the products of all.
#[unsafe(no_mangle)]
unsafe extern "C" fn dots(
    queries: *const [f64; PANEL],
    query_panels: usize,
    keys: *const Lanes,
    key_panels: usize,
    width: usize,
    products: *mut Lanes,
) {
    let (width, key_panels) = (width.max(1), key_panels.max(1));
    let room = query_panels * PANEL * key_panels;
    // SAFETY: the caller's promise.
    let (queries, keys, products) = unsafe {
        (
            from_raw_parts(queries, query_panels * width),
            from_raw_parts(keys, key_panels * width),
            from_raw_parts_mut(products, room),
        )
    };
    crate::dots(queries, keys, width, products);
}

/// See [`crate::softmax`]; a cap of 0 is none.
///
/// # Safety
///
/// There are so many panels at each address, at `distance` if it is not null.
#[unsafe(no_mangle)]
unsafe extern "C" fn softmax(
    scores: *mut Lanes,
    panels: usize,
    start: usize,
    end: usize,
    scale: f64,
    cap: f64,
    sink: f64,
    added: *const Lanes,
    distance: *const [f32; PANEL],
    weights: *mut [f32; PANEL],
) {
    // SAFETY: the caller's promise.
    let (scores, added, distance, weights) = unsafe {
        (
            from_raw_parts_mut(scores, panels),
            from_raw_parts(added, panels),
            if distance.is_null() { &[] } else { from_raw_parts(distance, panels) },
            from_raw_parts_mut(weights, panels),
        )
    };
    let rule = Rule { scale, cap: (cap != 0.0).then_some(cap), sink };
    crate::softmax(scores, start..end, rule, added, distance, weights);
}
