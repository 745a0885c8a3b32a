//! gte-small.
