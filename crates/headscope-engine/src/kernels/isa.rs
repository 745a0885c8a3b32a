//! The instruction sets, and which of them this machine has.

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Tiles};
use super::simd::Kernel;
use std::fmt;
use std::str::FromStr;

/// An instruction set that this machine has.
///
/// Values come from [`Isa::detect`], [`Isa::available`] or a name that was
/// parsed, so holding one is the proof that its instructions may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Isa(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Kind {
    /// AVX-512, and tiles for the products of linear layers.
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Every instruction set this build knows, best first.
const KINDS: &[Kind] = &[
    #[cfg(target_arch = "x86_64")]
    Kind::Amx,
    #[cfg(target_arch = "x86_64")]
    Kind::Avx512,
    #[cfg(target_arch = "x86_64")]
    Kind::Avx2,
    Kind::Portable,
];

impl Isa {
    /// Plain Rust, which every machine runs.
    pub const PORTABLE: Isa = Isa(Kind::Portable);

    /// The best instruction set that this machine has.
    #[must_use]
    pub fn detect() -> Isa {
        Isa::available()[0]
    }

    /// The instruction sets that this machine has, best first; the last is [`Isa::PORTABLE`].
    #[must_use]
    pub fn available() -> Vec<Isa> {
        KINDS.iter().copied().filter(|kind| kind.is_here()).map(Isa).collect()
    }

    /// Runs the copy of a kernel that was compiled for this instruction set.
    #[inline]
    #[allow(unsafe_code)] // Only this enters code that not every machine can run.
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: an `Isa` of this kind exists only where `is_here` found
            // every feature that `run` is compiled with.
            #[cfg(target_arch = "x86_64")]
            Kind::Amx | Kind::Avx512 => unsafe { super::avx512::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { super::avx2::run(kernel) },
            Kind::Portable => super::portable::run(kernel),
        }
    }

    /// Tiles, where linear layers are to be products of them.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)] // As for `run`.
    pub(super) fn tiles(self) -> Option<Tiles> {
        // SAFETY: an `Isa` of this kind exists only where `is_here` found both.
        (self.0 == Kind::Amx).then(|| unsafe { Tiles::new() })
    }

    fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => "amx",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            Kind::Portable => "portable",
        }
    }
}

impl Kind {
    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => Kind::Avx512.is_here() && amx::is_here(),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
                    && Kind::Avx2.is_here()
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => {
                std::is_x86_feature_detected!("avx2")
                    && std::is_x86_feature_detected!("fma")
                    && std::is_x86_feature_detected!("f16c")
            }
            Kind::Portable => true,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no instruction set of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownIsa {
    asked: String,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = Isa::available().iter().map(Isa::to_string).collect();
        write!(
            f,
            "instruction set `{}`: expected one that this machine has: {}",
            self.asked,
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownIsa {}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Isa, UnknownIsa> {
        Isa::available()
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| UnknownIsa { asked: name.to_owned() })
    }
}
