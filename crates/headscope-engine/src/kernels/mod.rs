//! The arithmetic of a pass: matrix products with packed weights, attention, norms.

mod attend;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod isa;
mod linear;
mod math;
mod norm;
mod pool;
mod portable;
mod share;
mod simd;
mod stored;
mod tile;

pub use attend::{AttendRule, Attended, Heads, attend, mix, softmax_rows};
pub use buffer::zeros;
pub use isa::{Isa, UnknownIsa};
pub use linear::{Activation, Epilogue, Linear};
pub use norm::{add, layer_norm, rms_norm};
pub use pool::Compute;
pub use stored::{Dtype, Stored};
