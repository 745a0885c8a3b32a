//! The term of position in scores, as the attention kernel adds it.

use std::ops::Range;

use headscope_trace::Position;

/// A rule's position term for the tokens of one pass.
pub(crate) struct PositionTerm {
    /// What each head adds for each distance, from the last query to the first key upwards.
    by_head: Vec<Vec<f32>>,
    /// Where in these distance 0 stands for the first query of the pass.
    origin: usize,
}

impl PositionTerm {
    /// The term of these heads for queries at these positions.
    pub(crate) fn new(
        position: &Position,
        heads: Range<usize>,
        queries: Range<usize>,
        keys: usize,
    ) -> PositionTerm {
        PositionTerm {
            by_head: heads.map(|head| position.by_distance(head, queries.end, keys)).collect(),
            origin: queries.len().saturating_sub(1),
        }
    }

    /// Adds the term to a query's scores of some keys.
    pub(crate) fn add(&self, head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]) {
        let term = &self.by_head[head][self.origin - query..][keys];
        scores.iter_mut().zip(term).for_each(|(score, term)| *score += term);
    }
}
