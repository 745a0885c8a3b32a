//! The arithmetic of a pass: products with packed weights, attention, norms.
//!
//! Everything else in this crate says *what* a model computes; this module is where it
//! happens, and the one place where speed may cost simplicity. What a newcomer should know:
//!
//! # Panels
//!
//! A weight matrix comes from the file as `[out, in]`. [`Linear::make_panels`] lays it out once (`panel.rs`) in
//! panels of 48 outputs: for each input in turn, its 48 weights side by side, as stored (16-bit
//! weights stay 16 bits and are widened, exactly, on their way into registers). A product then
//! reads memory strictly forwards. A BLAS does the same packing anew on each call, which for 16
//! tokens is most of its time.
//!
//! ```text
//! x [rows, in]            panel p [in, 48]              sums [rows, 48]
//! ┌───────────────┐       ┌──────────────┐              ┌──────────────┐
//! │ 8 rows  ───▶  │   x   │ 128 inputs   │   ─ block ─▶ │ += 8 x 48    │ ─▶ + bias ─▶ GELU
//! │               │       │ (24 KiB: L1) │              │              │    or + residual
//! └───────────────┘       │ …            │              └──────────────┘    ─▶ out [rows, out]
//!                         └──────────────┘
//! ```
//!
//! 48 is three registers of 16 lanes, six of 8, or twelve of 4: one layout serves every
//! instruction set, and a layer that was packed can be run with any.
//!
//! The panels of a model lie in one piece of memory ([`Arena`]): so small layers are in huge pages, too, and few rows,
//! which read a panel at the speed of memory, seldom wait for a page to be found.
//!
//! # Weights in place
//!
//! Packing takes longer than the pass of a short text. So a layer works without, from where its
//! weights lie in the mapped file: each task turns one block after the other, 128 inputs of 48 rows,
//! into scratch of 24 KiB in the first-level cache, and goes on as if it were a panel's (`rows.rs`;
//! 16 x 16 numbers at a time, in registers). The bits of the result are the same, so it never
//! matters to anyone whether, or when, a layer was packed. For eight rows and more, a task first copies the weights of its panel
//! from the file, which takes less than to map them ([`AsStored::copy_rows`]). While the rows of `x` pass by a
//! block, the pieces of the next are asked for. A matrix that is stored `[in, out]` has a block's
//! inputs below each other already, and is only widened (`columns.rs`).
//!
//! # Quantised weights
//!
//! Weights of a GGUF file stay the blocks that they are, 4 to 9 bits a weight. On its way into
//! scratch a block is widened as ggml defines it, to the bit (`quantised.rs`), 16 rows at a time, and turned
//! like all others. Such a layer is never packed: panels would take four to seven times the memory of the
//! file, and gain little (`DESIGN.md`).
//!
//! # Register tile
//!
//! `tile.rs` multiplies a few rows with a few registers of columns and keeps their sums in
//! registers; the constants of `simd::Simd` say how many fit. On AVX-512 that is 8 rows x 3
//! registers: each step loads 3 registers of weights and 8 numbers of x for 24 multiply-adds, half
//! of what the load units can do, and 24 sums are three times what hides the latency of two
//! multipliers. AVX2, with 16 registers, has 4 x 3: each of them is in use.
//!
//! Tiles below each other are a strip, and strips are functions of their own (`Simd::call`), one for each height and width,
//! so that the compiler hands out registers for one tile at a time.
//!
//! A sum is a tree of three levels: chains of 32 products, four of them a block, blocks the whole.
//! Short chains are what makes sums exact (an error grows with the length of its chain; see
//! below). A chain is put away while the next one begins, first in the upper half of a tile's rows,
//! then in the lower: on AMD Zen 3 a store takes the place of a multiplication, and twelve at once took
//! a fifteenth of the time. The tree is the same for every instruction set (but for matrix tiles, below), any number
//! of rows and weights in any form, so a row's numbers depend on nothing but the row and the weights.
//!
//! The compiler must not be clever here: left alone, it loads what several steps need at once and
//! moves sums to memory to make room, which took half the speed. `Simd::pin` is an empty
//! line of assembly through which each sum passes, and keeps steps in their order.
//!
//! # Matrix tiles
//!
//! A Xeon since Sapphire Rapids multiplies tiles (AMX): 16 rows x 32 numbers with 32 x 16, in bfloat16, and adds up in f32, at
//! sixteen times the products that AVX-512 makes of f32. A bfloat16 has 8 bits of a number where f32 has
//! 24: so an f32 is exactly the sum of three, the one next to it, the one next to the rest, and what is left; half
//! precision is that of two. A product of f32 becomes products of these planes: first with first, first with second and
//! so on, six with f32 weights, five with f16, three with bf16. What is left out (f32: second with third, third with
//! second, third with third) is at most some 2^-24 of a product, mostly an eighth of that, and of either sign. Sums have
//! shorter chains than elsewhere and come out more exact (`DESIGN.md` has the numbers).
//!
//! ```text
//! x [16 rows, 32 inputs]        panel [32 inputs, 48]                sums [16, 48]
//! ┌─────────┐ three planes      ┌──────┬──────┬──────┐ up to three   ┌──────┬──────┬──────┐
//! │ 16 x 32 │ each a tile   x   │32 x16│      │      │ planes of     │16 x16│      │      │
//! └─────────┘                   └──────┴──────┴──────┘ three tiles   └──────┴──────┴──────┘
//! ```
//!
//! `amx.rs` splits x once for all panels, and 64 inputs of a panel once for all rows of a task, in the first-level
//! cache, for panels and weights in place stay as they are. 16 rows or fewer are multiplied as with AVX-512, for they
//! wait for memory and would have to wait for weights to be split as well; so here a row's numbers depend on one thing
//! more, whether there were more than 16. Everything but linear layers is as with AVX-512. At the ends of the range,
//! tiles take numbers below 2^-126 for zero, parts of numbers too, and what is infinite, or would round to 2^128 as a
//! bfloat16, comes out as NaN.
//!
//! # What is asked for ahead
//!
//! A block of 128 inputs of a panel stays in the first-level cache while all rows pass by (`ahead.rs`). With
//! every four steps the tile asks for a little of what comes next: lines of the next block (spread
//! evenly, for more at once would queue up behind each other: 52 GB/s became 31; one a look, or, for few rows, some
//! neighbours; into the second-level cache, for the first holds one block and no more). For few rows, it asks for the lines
//! of its own columns sixteen steps on, too, which are in the second-level cache, and on AVX-512 for
//! part of the eight rows of x that the next tile takes, and one of the lines where its own result will be
//! stored, which another core wrote last and has to give up (`Simd::LOOKS_FAR`). So few rows run at the speed of
//! memory and many rows at the speed of the multipliers, with nothing to switch between the two.
//!
//! 16-bit weights are widened on their way into registers: by every tile with AVX2, which does it as fast as it loads
//! (`Simd::READS_16`). Elsewhere, where several tiles follow each other, the first leaves what it widened in scratch for
//! the others, beside its multiplications: before them it took a seventh of the time of 16 rows.
//!
//! # Attention
//!
//! Packs keys as panels and values as rows of panels, and uses the same tile, for a block of queries
//! and a block of keys at a time: a text of any length stays within the caches. `attend.rs` tells
//! the rest, and why patterns come out nearer to the truth than PyTorch's.
//!
//! # Weights that are not finite
//!
//! Nobody reads gigabytes to look for a NaN. A weight that is NaN or infinite makes every sum of its
//! column so, whatever it is multiplied with, and nothing that is added brings it back; so
//! [`Linear::forward`] looks at its sums, before an activation could hide them, and tells.
//!
//! # Exactness
//!
//! The same bits for any number of threads, because tasks split rows, columns and heads but never
//! a sum. A row of a product does not even depend on the rows beside it. Softmax and norms add up
//! in f64; exp and tanh are good to two ulps, GELU to two above zero and four below
//! (`math.rs`). How far that is from float64, beside PyTorch, stands in `BENCHMARKS.md`.
//!
//! # Out of bounds
//!
//! `unsafe` is for instructions and pointers in innermost loops; what they may touch is asserted
//! once, outside. `tests/kernels.rs` and `tests/attention.rs` hold every kernel to plain loops in f64 on odd
//! shapes with every instruction set of the machine, and `cargo xtask sanitize` runs
//! them under the address sanitizer.
//!
//! # Adding an instruction set
//!
//! Write a file like `avx2.rs`: a type that implements `simd::Simd` (some twenty operations of
//! one line) and a `run` with its `target_feature`s. Name it in `isa.rs`. All kernels are generic
//! and `#[inline(always)]` down from `Isa::run`, so they need no change, and the tests run every
//! instruction set that the machine has.

mod ahead;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attend;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod columns;
mod gate;
mod isa;
mod linear;
mod math;
mod norm;
mod panel;
mod peak;
mod pool;
mod portable;
mod quantised;
mod rotary;
mod rows;
mod runs;
mod share;
mod simd;
mod stored;
mod system;
mod tile;

pub use attend::{AttendRule, Attended, Bias, Heads, attend, mix, softmax_rows};
pub use buffer::{Arena, zeros};
pub use gate::{clamped_gate, gate};
pub use isa::{Isa, UnknownIsa};
pub use linear::{Activation, Epilogue, Linear};
pub use norm::{add, layer_norm, layer_norm_part, rms_norm, rms_norm_part};
pub use peak::multiply_adds;
pub use pool::Compute;
pub use rotary::{Pairing, Turns};
pub(crate) use share::for_each_part;
pub use stored::{AsStored, Dtype, Stored};
pub(crate) use system::lower_priority;
