//! Vectors of distances, which queries and keys of every layer meet.

use std::sync::OnceLock;

use headscope_trace::Tensor;

use super::{Embedding, Linear, Norm};
use crate::probe::Pass;

/// A table of vectors, one for each distance; and, since no text changes them, what each layer makes of them.
pub struct Distances {
    table: Embedding,
    norm: Option<Norm>,
    mapped: OnceLock<Vec<Tensor>>,
}

impl Distances {
    /// The vectors of a table, normalised first if there is a norm.
    pub fn new(table: Embedding, norm: Option<Norm>) -> Distances {
        Distances { table, norm, mapped: OnceLock::new() }
    }

    /// What the map of each layer makes of the vectors, `[distances, columns]`: computed in the first pass.
    pub fn mapped<'l>(&self, maps: impl Iterator<Item = &'l Linear>, pass: &Pass<'_>) -> &[Tensor] {
        self.mapped.get_or_init(|| {
            let mut x = pass.zeros(&[self.table.rows, self.table.width]);
            self.table.add_rows(0..self.table.rows, x.values_mut());
            let x = self.norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(&x, pass));
            maps.map(|map| map.forward(&x, pass)).collect()
        })
    }
}
