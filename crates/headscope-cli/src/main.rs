//! The `headscope` command.
fn main() {}
