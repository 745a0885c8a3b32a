//! Part of headscope.
