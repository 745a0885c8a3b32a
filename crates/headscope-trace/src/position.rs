//! What the distance of two tokens adds to their score.

use serde::{Deserialize, Serialize};

use crate::Tensor;

/// A term of position: what is added to a score, after the scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// `slope · (key − query)` (ALiBi, arXiv 2108.12409).
    Alibi {
        /// The slope of each head.
        slopes: Vec<f32>,
    },
    /// A learned number for each range of distances (arXiv 1910.10683): near ones have a bucket each,
    /// farther ones share it with more and more others.
    Buckets {
        /// The numbers, `[buckets][heads]`.
        table: Vec<Vec<f32>>,
        /// From this distance on all are in the last bucket.
        max_distance: usize,
        /// Whether keys after the query have the second half of the buckets; otherwise they are in the
        /// first one.
        two_sided: bool,
    },
    /// Queries and keys meet vectors of their distance (arXiv 2006.03654).
    Disentangled(Disentangled),
}

/// `scale · (query · pos_k[distance] + key · pos_q[distance])`, or one of the two: the sites `pos_k` and
/// `pos_q` hold `2 · span` vectors for each head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disentangled {
    /// So many distances to either side have a vector; what lies farther has that of the last.
    pub span: usize,
    /// Where given, near distances have a vector each and farther ones share it with more and more others, up
    /// to this one.
    pub max_distance: Option<usize>,
    /// Whether queries meet `pos_k`.
    pub queries_meet: bool,
    /// Whether keys meet `pos_q`.
    pub keys_meet: bool,
}

impl Disentangled {
    /// The place among the `2 · span` vectors for each distance `key − query`, from `1 − queries` up to
    /// `keys − 1`; it never grows from one to the next.
    pub fn places(&self, queries: usize, keys: usize) -> Vec<usize> {
        let span = self.span as isize;
        let place = |distance: isize| (self.shared(-distance) + span).clamp(0, 2 * span - 1) as usize;
        ((1 - queries as isize)..keys as isize).map(place).collect()
    }

    /// The distance that stands for all that share its vector. The logarithm is taken in f32, as in training: at
    /// a border that decides.
    fn shared(&self, distance: isize) -> isize {
        let (far, exact) = (distance.unsigned_abs(), self.span / 2);
        let Some(max) = self.max_distance.filter(|_| far > exact) else { return distance };
        let ln = |x: f32| f64::from(x).ln() as f32;
        let share = ln(far as f32 / exact as f32) / ln(((max - 1) as f64 / exact as f64) as f32);
        distance.signum() * ((share * (exact - 1) as f32).ceil() as isize + exact as isize)
    }

    /// What is wrong with a term that was read from a file.
    fn fault(&self) -> Option<String> {
        let Disentangled { span, max_distance, .. } = *self;
        if !(1..=MAX_SPAN).contains(&span) {
            return Some(format!("vectors of {span} distances; expected 1 to {MAX_SPAN}"));
        }
        let max = max_distance.filter(|max| span < 2 || max.saturating_sub(1) <= span / 2)?;
        Some(format!("vectors of {span} distances up to {max}"))
    }
}

/// More distances have no vectors in any model; a file that claims so is damaged.
const MAX_SPAN: usize = 1 << 24;

/// A term of position for one head and one text.
#[derive(Debug, Clone)]
pub enum PositionTerm {
    /// What is added for each distance, [in order](Position::by_distance).
    ByDistance(Vec<f32>),
    /// What queries and keys meet.
    Disentangled {
        /// The place of each distance among the vectors, [in order](Disentangled::places).
        places: Vec<usize>,
        /// What queries meet, `[2 · span, d_head]`.
        pos_k: Option<Tensor>,
        /// What keys meet, `[2 · span, d_head]`.
        pos_q: Option<Tensor>,
    },
}

impl Position {
    /// What a head adds for each distance `key − query`, from `1 − queries` up to `keys − 1`; none where
    /// that is not all that counts.
    ///
    /// # Panics
    /// If there is no such head.
    pub fn by_distance(&self, head: usize, queries: usize, keys: usize) -> Option<Vec<f32>> {
        let distances = (1 - queries as isize)..keys as isize;
        match self {
            Position::Alibi { slopes } => {
                Some(distances.map(|distance| slopes[head] * distance as f32).collect())
            }
            Position::Buckets { table, max_distance, two_sided } => {
                let buckets = Buckets { n: table.len(), max_distance: *max_distance, two_sided: *two_sided };
                Some(distances.map(|distance| table[buckets.of(distance)][head]).collect())
            }
            Position::Disentangled(_) => None,
        }
    }

    /// What is wrong with a term that was read from a file, for so many heads.
    pub(crate) fn fault(&self, heads: usize) -> Option<String> {
        match self {
            Position::Alibi { slopes } if slopes.len() != heads => {
                Some(format!("{} slopes for {heads} heads", slopes.len()))
            }
            Position::Alibi { .. } => None,
            Position::Disentangled(term) => term.fault(),
            Position::Buckets { table, max_distance, two_sided } => {
                let least = if *two_sided { 4 } else { 2 };
                let exact = table.len() / least;
                if exact == 0 || *max_distance <= exact {
                    return Some(format!("{} buckets up to a distance of {max_distance}", table.len()));
                }
                let row = table.iter().find(|row| row.len() != heads)?;
                Some(format!("a bucket of {} numbers for {heads} heads", row.len()))
            }
        }
    }
}

/// Which distances share a number.
struct Buckets {
    n: usize,
    max_distance: usize,
    two_sided: bool,
}

impl Buckets {
    /// The bucket of `key − query`. The logarithm is taken in f32, as in training: at a border
    /// that decides.
    fn of(&self, distance: isize) -> usize {
        let (n, first) = match (self.two_sided, distance > 0) {
            (true, after) => (self.n / 2, if after { self.n / 2 } else { 0 }),
            (false, true) => return 0,
            (false, false) => (self.n, 0),
        };
        let (far, exact) = (distance.unsigned_abs(), n / 2);
        if far < exact {
            return first + far;
        }
        let ln = |x: f64| x.ln() as f32;
        let share = ln(f64::from(far as f32 / exact as f32)) / ln(self.max_distance as f64 / exact as f64);
        let shared = (share * (n - exact) as f32) as usize;
        first + (exact + shared).min(n - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_a_bucket_each_and_far_ones_share() {
        // 32 buckets up to 128, of either kind, as `_relative_position_bucket` of transformers has them.
        let two_sided = Buckets { n: 32, max_distance: 128, two_sided: true };
        let rows = [
            (0, 0),
            (-1, 1),
            (-7, 7),
            (-8, 8),
            (-11, 8),
            (-12, 9),
            (-16, 10),
            (-23, 11),
            (-32, 12),
            (-64, 14),
            (-90, 14),
            (-91, 15),
            (-128, 15),
            (-9999, 15),
            (1, 17),
            (7, 23),
            (8, 24),
            (64, 30),
            (500, 31),
        ];
        for (distance, bucket) in rows {
            assert_eq!(two_sided.of(distance), bucket, "{distance}");
        }
        let one_sided = Buckets { n: 32, max_distance: 128, two_sided: false };
        for (distance, bucket) in
            [(5, 0), (0, 0), (-1, 1), (-15, 15), (-16, 16), (-19, 17), (-64, 26), (-113, 31), (-128, 31)]
        {
            assert_eq!(one_sided.of(distance), bucket, "{distance}");
        }
    }

    #[test]
    fn terms_are_told_by_distance() {
        let alibi = Position::Alibi { slopes: vec![0.5, 2.0] };
        assert_eq!(alibi.by_distance(1, 3, 2).unwrap(), [-4.0, -2.0, 0.0, 2.0]);
        let table = (0..4).map(|bucket| vec![bucket as f32, 10.0 * bucket as f32]).collect();
        let buckets = Position::Buckets { table, max_distance: 3, two_sided: true };
        assert_eq!(buckets.by_distance(1, 2, 3).unwrap(), [10.0, 0.0, 30.0, 30.0]);
    }

    fn disentangled(span: usize, max_distance: Option<usize>) -> Disentangled {
        Disentangled { span, max_distance, queries_meet: true, keys_meet: true }
    }

    #[test]
    fn distances_have_places_among_vectors() {
        assert_eq!(disentangled(3, None).places(5, 5), [5, 5, 5, 4, 3, 2, 1, 0, 0]);
        // 256 buckets up to 512, as `make_log_bucket_position` of transformers has them.
        let places = disentangled(256, Some(512)).places(601, 601);
        let rows = [
            (0, 256),
            (1, 255),
            (-1, 257),
            (-127, 383),
            (-128, 384),
            (-129, 385),
            (-130, 386),
            (-131, 387),
            (-200, 425),
            (-511, 511),
            (-600, 511),
            (128, 128),
            (129, 127),
            (511, 1),
            (513, 0),
            (600, 0),
        ];
        for (distance, place) in rows {
            assert_eq!(places[(600 + distance) as usize], place, "{distance}");
        }
        assert!(places.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn terms_that_fit_no_head_are_refused() {
        let table = |buckets: usize, heads| vec![vec![0.0; heads]; buckets];
        let buckets = |table, max_distance| Position::Buckets { table, max_distance, two_sided: true };
        let rows = [
            (Position::Alibi { slopes: vec![1.0] }, "1 slopes for 2 heads"),
            (buckets(table(3, 2), 9), "3 buckets"),
            (buckets(table(8, 2), 2), "8 buckets up to a distance of 2"),
            (buckets(table(8, 3), 9), "a bucket of 3 numbers for 2 heads"),
            (Position::Disentangled(disentangled(0, None)), "vectors of 0 distances"),
            (Position::Disentangled(disentangled(usize::MAX, None)), "expected 1 to 16777216"),
            (Position::Disentangled(disentangled(1, Some(9))), "vectors of 1 distances up to 9"),
            (Position::Disentangled(disentangled(8, Some(5))), "vectors of 8 distances up to 5"),
        ];
        for (position, expected) in rows {
            assert!(position.fault(2).unwrap().contains(expected), "{position:?}");
        }
        assert_eq!(buckets(table(8, 2), 9).fault(2), None);
    }
}
