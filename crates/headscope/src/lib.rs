//! headscope.
