//! Matrix tiles: whether they may be used, and the instructions.
//!
//! Rust's functions for these are not stable, so they are written out, with registers by name: 0 to 2 have the sums of
//! 16 rows and the 48 columns of a panel, 3 to 5 the planes of 16 rows of x and 32 inputs, 6 and 7 by turns a plane of
//! 32 inputs and 16 columns of weights. Tiles of 2 x 2 or 4 x 1, with fewer loads, were slower.
#![allow(unsafe_code)] // Instructions for which there is no function, on memory whose size is asserted just before.

use crate::kernels::avx512::Avx512;
use crate::kernels::panel::PANEL;
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Rows of a tile.
pub(in crate::kernels) const ROWS: usize = 16;

/// Pairs of bfloat16 in a row of a tile: 64 bytes, a line of memory.
pub(super) const PAIRS: usize = 16;

/// A row of a tile.
pub(super) type Row = [u32; PAIRS];

/// Inputs that one step multiplies.
pub(super) const STEP: usize = 2 * PAIRS;

/// Tiles that the columns of a panel take.
pub(super) const ACROSS: usize = PANEL / 16;

/// Planes of f32.
pub(super) const PLANES: usize = 3;

/// Rows of tiles that one step takes of x.
pub(super) const STEP_OF_X: usize = PLANES * ROWS;

/// Rows of tiles that one step takes of weights, at most.
pub(super) const STEP_OF_WEIGHTS: usize = PLANES * ACROSS * ROWS;

/// Products of sixteen rows with a panel.
pub(super) const PRODUCTS: usize = ROWS * PANEL;

/// Whether this machine has tiles of bfloat16, and the system lets this process use them.
pub(in crate::kernels) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let (amx_bf16, amx_tile) = (1 << 22, 1 << 24);
        let features = __cpuid_count(7, 0).edx;
        features & amx_bf16 != 0 && features & amx_tile != 0 && permitted()
    })
}

/// Asks for room for tiles in the state of each thread, which most programs do without.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    use std::ffi::c_long;
    const SYS_ARCH_PRCTL: c_long = 158;
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const XFEATURE_XTILEDATA: c_long = 18;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // SAFETY: this call of the system takes two numbers, and gives this process a permission.
    unsafe { syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// The proof that this process may use tiles, on a machine with AVX-512.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Tiles(Avx512);

impl Tiles {
    /// # Safety
    /// [`is_here`] is true, and the machine has all that [`Avx512`] stands for.
    pub(in crate::kernels) unsafe fn new() -> Tiles {
        // SAFETY: as the caller answers for.
        Tiles(unsafe { Avx512::new() })
    }

    pub(super) fn avx512(self) -> Avx512 {
        self.0
    }
}

/// The shape of this thread's tiles: all have 16 rows of 64 bytes. When it goes, so does their state: as long as
/// there is some, each switch to another thread has 8 KiB more to save.
pub(super) struct Shape(());

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Palette {
    palette: u8,
    reserved: [u8; 15],
    bytes_of_row: [u16; 16],
    rows: [u8; 16],
}

impl Shape {
    #[inline(always)]
    pub(super) fn set(_: Tiles) -> Shape {
        let mut palette = Palette { palette: 1, reserved: [0; 15], bytes_of_row: [0; 16], rows: [0; 16] };
        palette.bytes_of_row[..8].fill(64);
        palette.rows[..8].fill(16);
        // SAFETY: `Tiles` proves AMX; the compiler keeps nothing in its registers. 64 bytes are read, which name
        // one of the palettes that all such machines have, and no more rows or bytes than it allows.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const palette, options(nostack, preserves_flags, readonly));
        };
        Shape(())
    }

    /// Products of some steps of x, in its three planes, with weights in so many: `[ROWS, PANEL]`. Calls `pause`
    /// three times in each step, for what can be done beside them.
    #[inline(always)]
    pub(super) fn multiply(
        &self,
        x: &[Row],
        weights: &[Row],
        planes: usize,
        products: &mut [f32],
        mut pause: impl FnMut(),
    ) {
        let (steps, plane) = (x.len() / STEP_OF_X, ACROSS * ROWS);
        assert!(weights.len() >= steps * planes * plane, "weights of all steps");
        assert!(products.len() >= PRODUCTS, "room for tiles");
        // SAFETY: who has a shape had `Tiles`, the proof of AMX. Registers keep their tiles from one piece of assembly
        // to the next: the compiler has no use for them, and keeps such pieces in order. A step of x and one of
        // weights are read, which are there as computed and asserted above, and tiles are stored where there is
        // room for them.
        unsafe {
            zero();
            for step in 0..steps {
                load_rows(x.as_ptr().add(step * STEP_OF_X));
                let weights = weights.as_ptr().add(step * planes * plane);
                // Small products first: they are lost in a large sum sooner than in a small one.
                if planes > 2 {
                    multiply_third(weights.add(2 * plane));
                }
                pause();
                if planes > 1 {
                    multiply_second(weights.add(plane));
                }
                pause();
                multiply_first(weights);
                pause();
            }
            store(products.as_mut_ptr());
        }
    }
}

impl Drop for Shape {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: who has a shape had `Tiles`, the proof of AMX; nobody needs what is in tiles any more.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}

/// Sums begin.
///
/// # Safety
/// There is a shape.
#[inline(always)]
unsafe fn zero() {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", options(nostack, preserves_flags, nomem));
    };
}

/// Loads the three planes of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn load_rows(x: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm3, [{x} + {line}*1]",
            "tileloadd tmm4, [{x} + {line}*1 + 1024]",
            "tileloadd tmm5, [{x} + {line}*1 + 2048]",
            x = in(reg) x,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' first plane with three of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_first(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm6, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm5, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm0, tmm3, tmm6",
            "tdpbf16ps tmm1, tmm3, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm2, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm3, tmm6",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' second plane with two of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_second(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm7, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tdpbf16ps tmm0, tmm3, tmm7",
            "tdpbf16ps tmm1, tmm3, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm3, tmm7",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Adds the products of weights' third plane with the first of x.
///
/// # Safety
/// There is a shape, and three tiles may be read.
#[inline(always)]
unsafe fn multiply_third(weights: *const Row) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tileloadd tmm6, [{w} + {line}*1]",
            "tdpbf16ps tmm0, tmm3, tmm6",
            "tileloadd tmm7, [{w} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm3, tmm7",
            "tileloadd tmm6, [{w} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm3, tmm6",
            w = in(reg) weights,
            line = in(reg) 64_usize,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Stores the sums of three tiles, side by side.
///
/// # Safety
/// There is a shape, and so many rows of [`PANEL`] numbers may be written.
#[inline(always)]
unsafe fn store(to: *mut f32) {
    // SAFETY: as the caller answers for.
    unsafe {
        asm!(
            "tilestored [{to} + {row}*1], tmm0",
            "tilestored [{to} + {row}*1 + 64], tmm1",
            "tilestored [{to} + {row}*1 + 128], tmm2",
            to = in(reg) to,
            row = in(reg) 4 * PANEL,
            options(nostack, preserves_flags),
        );
    }
}
