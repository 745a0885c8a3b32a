//! The term of position in scores, as the attention kernel adds it.

use std::ops::Range;

use headscope_trace::{Disentangled, Position};

use crate::kernels::{self, AttendRule, Attended, Compute, Heads};

/// A rule's position term for the tokens of one pass.
pub(crate) enum PositionTerm {
    /// A number for each distance.
    ByDistance {
        /// What each head adds, from the last query to the first key upwards.
        by_head: Vec<Vec<f32>>,
        /// Where in these distance 0 stands for the first query of the pass.
        origin: usize,
    },
    /// Products with vectors of distances.
    Disentangled(Met),
}

/// Queries, keys, and the vectors of distances that they meet: of the heads of a pass, or of one.
#[derive(Clone, Copy)]
pub(crate) struct Meeting<'a> {
    pub q: Heads<'a>,
    pub k: Heads<'a>,
    /// What keys meet, of `2 · span` distances.
    pub pos_q: Option<Heads<'a>>,
    /// What queries meet, of as many.
    pub pos_k: Option<Heads<'a>>,
}

/// Products of queries and keys with the vectors of those distances that occur.
pub(crate) struct Met {
    /// For each distance `key − query`, from the last query on upwards, the column of its products.
    columns: Vec<usize>,
    /// How many columns there are.
    width: usize,
    queries: usize,
    keys: usize,
    /// `[heads, queries, width]`
    by_query: Option<Vec<f32>>,
    /// `[heads, keys, width]`
    by_key: Option<Vec<f32>>,
}

impl PositionTerm {
    /// The term of these heads for queries at these positions; none if it needs vectors, which are no part
    /// of a rule.
    pub(crate) fn new(
        position: &Position,
        heads: Range<usize>,
        queries: Range<usize>,
        keys: usize,
    ) -> Option<PositionTerm> {
        let by_head = heads.map(|head| position.by_distance(head, queries.end, keys));
        let origin = queries.len().saturating_sub(1);
        Some(PositionTerm::ByDistance { by_head: by_head.collect::<Option<_>>()?, origin })
    }

    /// The term of queries and keys that meet vectors of their distance, with the scale of the rule.
    pub(crate) fn disentangled(
        compute: &Compute,
        term: &Disentangled,
        scale: f32,
        meeting: Meeting<'_>,
    ) -> PositionTerm {
        let Meeting { q, k, pos_q, pos_k } = meeting;
        let places = term.places(q.tokens, k.tokens);
        let (first, last) = (places.iter().min(), places.iter().max());
        let used = first.map_or(0, |first| *first)..last.map_or(0, |last| last + 1);
        let product = |x: Heads<'_>, vectors: Heads<'_>| products(compute, scale, x, rows(vectors, &used));
        PositionTerm::Disentangled(Met {
            by_query: pos_k.map(|vectors| product(q, vectors)),
            by_key: pos_q.map(|vectors| product(k, vectors)),
            columns: places.iter().map(|place| place - used.start).collect(),
            width: used.len(),
            queries: q.tokens,
            keys: k.tokens,
        })
    }

    /// Adds the term to a query's scores of some keys.
    pub(crate) fn add(&self, head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]) {
        match self {
            PositionTerm::ByDistance { by_head, origin } => {
                let term = &by_head[head][origin - query..][keys];
                scores.iter_mut().zip(term).for_each(|(score, term)| *score += term);
            }
            PositionTerm::Disentangled(met) => met.add(head, query, keys, scores),
        }
    }
}

impl Met {
    fn add(&self, head: usize, query: usize, keys: Range<usize>, scores: &mut [f32]) {
        let columns = &self.columns[self.queries - 1 - query..][keys.clone()];
        if let Some(by_query) = &self.by_query {
            let row = &by_query[(head * self.queries + query) * self.width..][..self.width];
            scores.iter_mut().zip(columns).for_each(|(score, column)| *score += row[*column]);
        }
        if let Some(by_key) = &self.by_key {
            let rows = by_key[(head * self.keys + keys.start) * self.width..].chunks_exact(self.width);
            for ((score, column), row) in scores.iter_mut().zip(columns).zip(rows) {
                *score += row[*column];
            }
        }
    }
}

/// Some tokens of all heads.
fn rows<'a>(heads: Heads<'a>, rows: &Range<usize>) -> Heads<'a> {
    let data = &heads.data[rows.start * heads.token_stride..];
    Heads { data, tokens: rows.len(), ..heads }
}

/// `scale · x · vectors`, `[heads, tokens of x, tokens of vectors]`.
fn products(compute: &Compute, scale: f32, x: Heads<'_>, vectors: Heads<'_>) -> Vec<f32> {
    let mut scores = vec![0.0; x.n_heads * x.tokens * vectors.tokens];
    let all = |_| 0..vectors.tokens;
    let rule = AttendRule {
        scale,
        keys: &all,
        causal: false,
        padding: None,
        soft_cap: None,
        bias: None,
        sink: None,
    };
    let out = Attended { scores: Some(&mut scores), ..Attended::default() };
    kernels::attend(compute, x, vectors, vectors, rule, out);
    scores
}
