//! What is asked of the operating system, for which std has no function.
#![allow(unsafe_code)] // Calls of the C library.

/// Lets every other thread of the machine go before the calling one.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority() {
    use std::ffi::{c_int, c_uint};
    const PRIO_PROCESS: c_int = 0; // of which each thread is one, on Linux
    const LOWEST: c_int = 19;
    unsafe extern "C" {
        fn setpriority(which: c_int, who: c_uint, priority: c_int) -> c_int;
    }
    // SAFETY: the call takes numbers and touches no memory; 0 is the calling thread.
    let _ = unsafe { setpriority(PRIO_PROCESS, 0, LOWEST) };
}

/// Lets every other thread of the machine go before the calling one. (Not known here how.)
#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority() {}
