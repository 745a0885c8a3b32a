//! What one head does on one text, as numbers.
//!
//! Each metric is the mean, over the rows of queries that are not special tokens, of a number read
//! off the row. A row where the number has no meaning (the token before the first) is left out; a
//! metric without a single row is NaN, and so is one that compares places of one text where a decoder
//! attends to another. One text says little about a head: scan many before naming it.

use std::collections::HashMap;
use std::ops::Range;

use headscope_trace::{Encoding, Tensor};
use serde::Serialize;

/// A number that describes a head on a text.
#[derive(Serialize)]
pub struct Metric {
    /// Its name in commands and files.
    pub key: &'static str,
    /// Its name for readers.
    pub label: &'static str,
    /// What is measured.
    pub about: &'static str,
    /// Its unit; empty for a share of the weight.
    pub unit: &'static str,
    /// Whether it means something where queries and keys are of two texts.
    #[serde(skip)]
    across: bool,
    /// Its value for one row of weights.
    #[serde(skip)]
    row: fn(&Row<'_>) -> Option<f64>,
}

/// One query's weights, with what is known of the text.
struct Row<'a> {
    query: usize,
    weights: &'a [f32],
    /// The text of the keys; of queries and keys, but for metrics that work across.
    text: &'a Text,
}

/// What the metrics need to know of a text, gathered once.
struct Text {
    special: Vec<bool>,
    segment: Vec<u32>,
    /// For each token, the place of its piece in `pieces`.
    piece: Vec<usize>,
    /// For each piece, the tokens that are it. (Listed once: a list for each token would grow with
    /// the square of a text that repeats a word.)
    pieces: Vec<Vec<usize>>,
    /// The runs of tokens of equal segment.
    runs: Vec<(u32, Range<usize>)>,
}

/// Every metric, in the order of lists.
pub const METRICS: &[Metric] = &[
    Metric {
        key: "next",
        label: "next token",
        about: "weight on the token after the query",
        unit: "",
        across: false,
        row: |row| row.at(row.query + 1),
    },
    Metric {
        key: "previous",
        label: "previous token",
        about: "weight on the token before the query",
        unit: "",
        across: false,
        row: |row| row.at(row.query.checked_sub(1)?),
    },
    Metric {
        key: "self",
        label: "itself",
        about: "weight on the query's own token",
        unit: "",
        across: false,
        row: |row| row.at(row.query),
    },
    Metric {
        key: "first",
        label: "first token",
        about: "weight on the first token",
        unit: "",
        across: true,
        row: |row| row.at(0),
    },
    Metric {
        key: "separators",
        label: "separators",
        about: "weight on special tokens other than the first",
        unit: "",
        across: true,
        row: |row| Some(row.sum_where(|key| key > 0 && row.text.special[key])),
    },
    Metric {
        key: "same_sentence",
        label: "own sentence",
        about: "weight within the query's own text of a pair, special tokens included",
        unit: "",
        across: false,
        row: |row| row.sentences(|segment, own| segment == own),
    },
    Metric {
        key: "other_sentence",
        label: "the other sentence",
        about: "weight on the other text of a pair, special tokens included",
        unit: "",
        across: false,
        row: |row| row.sentences(|segment, own| segment != own),
    },
    Metric {
        key: "same_word",
        label: "same word",
        about: "weight on other occurrences of the query's piece, over the queries that have one",
        unit: "",
        across: false,
        row: |row| {
            let same = &row.text.pieces[row.text.piece[row.query]];
            let others = same.iter().filter(|key| **key != row.query);
            (same.len() > 1 && !row.text.special[row.query])
                .then(|| others.filter_map(|key| row.at(*key)).sum())
        },
    },
    Metric {
        key: "entropy",
        label: "entropy",
        about: "entropy of the query's weights: 0 when all lies on one token",
        unit: "nats",
        across: true,
        row: |row| Some(entropy(row.weights)),
    },
    Metric {
        key: "distance",
        label: "mean distance",
        about: "distance to what is attended to, weighted",
        unit: "tokens",
        across: false,
        row: |row| {
            let weighted = row
                .weights
                .iter()
                .enumerate()
                .map(|(key, weight)| f64::from(*weight) * key.abs_diff(row.query) as f64);
            Some(weighted.sum())
        },
    },
];

impl Row<'_> {
    fn at(&self, key: usize) -> Option<f64> {
        self.weights.get(key).map(|weight| f64::from(*weight))
    }

    fn sum_where(&self, pick: impl Fn(usize) -> bool) -> f64 {
        let picked = self.weights.iter().enumerate().filter(|(key, _)| pick(*key));
        picked.map(|(_, weight)| f64::from(*weight)).sum()
    }

    /// The weight on runs of segments that `pick` chooses, given their segment and our own.
    fn sentences(&self, pick: impl Fn(u32, u32) -> bool) -> Option<f64> {
        if self.text.runs.len() < 2 {
            return None;
        }
        let own = self.text.segment[self.query];
        let picked = self.text.runs.iter().filter(|(segment, _)| pick(*segment, own));
        Some(
            picked
                .map(|(_, run)| self.weights[run.clone()].iter().copied().map(f64::from).sum::<f64>())
                .sum(),
        )
    }
}

/// In nats; 0 · ln 0 is 0.
fn entropy(weights: &[f32]) -> f64 {
    let term = |weight: f64| {
        if weight > 0.0 { -weight * weight.ln() } else { 0.0 }
    };
    weights.iter().map(|weight| term(f64::from(*weight))).sum()
}

impl Text {
    fn new(encoding: &Encoding) -> Text {
        let tokens = &encoding.tokens;
        let (mut piece, mut pieces, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        for (i, token) in tokens.iter().enumerate() {
            let place = *places.entry(token.id).or_insert(pieces.len());
            if place == pieces.len() {
                pieces.push(Vec::new());
            }
            pieces[place].push(i);
            piece.push(place);
        }
        let mut runs: Vec<(u32, Range<usize>)> = Vec::new();
        for (i, token) in tokens.iter().enumerate() {
            match runs.last_mut() {
                Some((segment, run)) if *segment == token.segment => run.end = i + 1,
                _ => runs.push((token.segment, i..i + 1)),
            }
        }
        Text {
            special: tokens.iter().map(|token| token.special).collect(),
            segment: tokens.iter().map(|token| token.segment).collect(),
            piece,
            pieces,
            runs,
        }
    }
}

/// Measures many heads on one text, or across two.
pub struct Meter {
    text: Text,
    queries: Vec<usize>,
    across: bool,
}

impl Meter {
    /// A meter for a text. A text of special tokens alone is measured on all of them.
    pub fn new(encoding: &Encoding) -> Meter {
        Meter { text: Text::new(encoding), queries: measured(encoding), across: false }
    }

    /// A meter for tokens of a target that attend to a text.
    pub fn across(target: &Encoding, text: &Encoding) -> Meter {
        Meter { text: Text::new(text), queries: measured(target), across: true }
    }

    /// Every metric of a head with this pattern, `[queries, keys]`, in the order of [`METRICS`].
    pub fn measure(&self, pattern: &Tensor) -> Vec<f32> {
        let mut sums = vec![(0.0, 0u32); METRICS.len()];
        for &query in &self.queries {
            let row = Row { query, weights: pattern.row(query), text: &self.text };
            for (metric, (sum, rows)) in METRICS.iter().zip(&mut sums) {
                if self.across && !metric.across {
                    continue;
                }
                if let Some(value) = (metric.row)(&row) {
                    *sum += value;
                    *rows += 1;
                }
            }
        }
        sums.into_iter().map(|(sum, rows)| (sum / f64::from(rows)) as f32).collect()
    }
}

/// The queries whose rows count.
fn measured(encoding: &Encoding) -> Vec<usize> {
    let plain: Vec<usize> = (0..encoding.len()).filter(|i| !encoding.tokens[*i].special).collect();
    if plain.is_empty() { (0..encoding.len()).collect() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[CLS] the cat [SEP] the [SEP]`, as a pair.
    fn text() -> Encoding {
        let mut encoding = Encoding::from_ids(&[101, 7, 8, 102, 7, 102], |id| id.to_string());
        for (token, (special, segment)) in encoding.tokens.iter_mut().zip([
            (true, 0),
            (false, 0),
            (false, 0),
            (true, 0),
            (false, 1),
            (true, 1),
        ]) {
            (token.special, token.segment) = (special, segment);
        }
        encoding
    }

    #[test]
    fn metrics_are_means_over_plain_rows() {
        let mut weights = vec![1.0 / 6.0; 36];
        weights[6..12].copy_from_slice(&[0.5, 0.0, 0.25, 0.0, 0.25, 0.0]); // "the"
        weights[12..18].copy_from_slice(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]); // "cat"
        weights[24..30].copy_from_slice(&[0.0, 0.5, 0.0, 0.25, 0.0, 0.25]); // the second "the"
        let found = Meter::new(&text()).measure(&Tensor::new([6, 6], weights));
        let expected = [
            ("next", (0.25 + 0.0 + 0.25) / 3.0),
            ("previous", (0.5 + 0.0 + 0.25) / 3.0),
            ("self", 1.0 / 3.0),
            ("first", 0.5 / 3.0),
            ("separators", 0.5 / 3.0),
            ("same_sentence", (0.75 + 1.0 + 0.25) / 3.0),
            ("other_sentence", (0.25 + 0.0 + 0.75) / 3.0),
            ("same_word", (0.25 + 0.5) / 2.0),
            ("entropy", 2.0 * 1.5 * std::f32::consts::LN_2 / 3.0),
            ("distance", ((0.5 + 0.25 + 0.75) + 0.0 + (1.5 + 0.25 + 0.25)) / 3.0),
        ];
        for ((metric, found), (key, expected)) in METRICS.iter().zip(found).zip(expected) {
            assert_eq!(metric.key, key);
            assert!((found - expected).abs() < 1e-6, "{key}: {found} for {expected}");
        }
    }

    #[test]
    fn what_has_no_row_is_nan() {
        let encoding = Encoding::from_ids(&[5], |_| "a".into());
        let found = Meter::new(&encoding).measure(&Tensor::new([1, 1], vec![1.0]));
        let of = |key| found[METRICS.iter().position(|metric| metric.key == key).unwrap()];
        assert_eq!((of("self"), of("entropy"), of("distance")), (1.0, 0.0, 0.0));
        assert!(
            of("next").is_nan()
                && of("previous").is_nan()
                && of("other_sentence").is_nan()
                && of("same_word").is_nan()
        );
    }
    #[test]
    fn across_texts_only_what_needs_no_common_place_is_measured() {
        let target = Encoding::from_ids(&[5, 6], |_| "a".into());
        let mut weights = vec![0.0; 12];
        (weights[0], weights[3], weights[6]) = (0.5, 0.5, 1.0); // the second row looks at the first token
        let found = Meter::across(&target, &text()).measure(&Tensor::new([2, 6], weights));
        for (metric, found) in METRICS.iter().zip(found) {
            let expected = match metric.key {
                "first" => 0.75,
                "separators" => 0.25,
                "entropy" => std::f32::consts::LN_2 / 2.0,
                _ => f32::NAN,
            };
            assert!(found == expected || (found.is_nan() && expected.is_nan()), "{}: {found}", metric.key);
        }
    }
}
