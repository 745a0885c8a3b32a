//! What the distance of two tokens adds to their score.

use serde::{Deserialize, Serialize};

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
}

impl Position {
    /// What a head adds for each distance `key − query`, from `1 − queries` up to `keys − 1`.
    ///
    /// # Panics
    /// If there is no such head.
    pub fn by_distance(&self, head: usize, queries: usize, keys: usize) -> Vec<f32> {
        let distances = (1 - queries as isize)..keys as isize;
        match self {
            Position::Alibi { slopes } => distances.map(|distance| slopes[head] * distance as f32).collect(),
            Position::Buckets { table, max_distance, two_sided } => {
                let buckets = Buckets { n: table.len(), max_distance: *max_distance, two_sided: *two_sided };
                distances.map(|distance| table[buckets.of(distance)][head]).collect()
            }
        }
    }

    /// What is wrong with a term that was read from a file, for so many heads.
    pub(crate) fn fault(&self, heads: usize) -> Option<String> {
        match self {
            Position::Alibi { slopes } if slopes.len() != heads => {
                Some(format!("{} slopes for {heads} heads", slopes.len()))
            }
            Position::Alibi { .. } => None,
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
        assert_eq!(alibi.by_distance(1, 3, 2), [-4.0, -2.0, 0.0, 2.0]);
        let table = (0..4).map(|bucket| vec![bucket as f32, 10.0 * bucket as f32]).collect();
        let buckets = Position::Buckets { table, max_distance: 3, two_sided: true };
        assert_eq!(buckets.by_distance(1, 2, 3), [10.0, 0.0, 30.0, 30.0]);
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
        ];
        for (position, expected) in rows {
            assert!(position.fault(2).unwrap().contains(expected), "{position:?}");
        }
        assert_eq!(buckets(table(8, 2), 9).fault(2), None);
    }
}
