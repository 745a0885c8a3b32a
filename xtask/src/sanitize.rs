//! The kernels' tests under the address sanitizer: what they read and write out of bounds, they die of.

use std::env;

use anyhow::{Result, bail};

use crate::tools::{cargo, command, finish, root};

/// Where the stable toolchain brings the sanitizer's runtime along.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The tests that reach every `unsafe` block of the kernels.
const TESTS: &[&str] = &["attention", "kernels", "kernels_math", "kernels_pool"];

/// Whether this machine can.
pub fn possible() -> bool {
    cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))
}

/// Builds the tests with the sanitizer, in a folder of their own, and runs them.
pub fn run() -> Result<()> {
    if !possible() {
        bail!("the address sanitizer of a stable toolchain is at hand on {TARGET} alone");
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut tests =
        command(".", &cargo(), &["test", "--release", "--locked", "--package", "headscope-engine"]);
    tests.args(["--target", TARGET]);
    tests.args(TESTS.iter().flat_map(|name| ["--test", name]));
    // The sanitizer is an unstable flag of a stable compiler. `--target` keeps it off build scripts.
    tests.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    tests.env("CARGO_PROFILE_RELEASE_LTO", "off"); // each test would optimise the whole crate again
    // In a folder of its own, since build scripts would run again for that variable.
    tests.env("CARGO_TARGET_DIR", target.join("sanitize"));
    finish(tests)
}
