//! Continuing a text, token by token.

use std::ops::ControlFlow;

use headscope_trace::{Encoding, Point, Site, Tensor};

use crate::EngineError;
use crate::input::Input;
use crate::kernels::for_each_part;
use crate::memory::Memory;
use crate::model::Model;
use crate::probe::Probe;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// The likeliest one; of equals the first in the vocabulary.
    Greedy,
    /// One by chance.
    Sampled {
        /// What scores are divided by: below 1 likely tokens become likelier. Above 0.
        temperature: f64,
        /// Only the likeliest tokens that have this share of the probability take part
        /// (arXiv 1904.09751); 1 for all.
        top_p: f64,
        /// The same seed gives the same tokens.
        seed: u64,
    },
}

/// How probable a token was, and which were the most probable ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Of the token that stands there.
    pub probability: f64,
    /// The most probable tokens and their probabilities, in order.
    pub top: Vec<(u32, f64)>,
}

impl Model {
    /// The tokens with which the model continues the text (of two stacks, what its decoder reads), at
    /// most `max_tokens`: until one ends the text, there are no more positions, or `each`, which
    /// is shown every token, breaks off. A token that ends the text is the last one returned. Behind a
    /// text of one token, as decoders begin with, comes what the configuration says must stand there.
    ///
    /// Keys and values of the text are remembered, so that a step computes one token.
    ///
    /// # Errors
    /// As [`run`](Model::run), and if the model does not predict a next token, or the numbers went
    /// past what f32 can hold.
    pub fn generate(
        &self,
        mut input: Input,
        max_tokens: usize,
        choice: Choice,
        mut each: impl FnMut(u32) -> ControlFlow<()>,
    ) -> Result<Vec<u32>, EngineError> {
        if !self.predicts_next() {
            return Err(EngineError::NoNext { model: self.card().id.clone() });
        }
        self.check(&input)?;
        let mut chooser = Chooser::new(choice);
        let mut memory = Memory::default();
        let mut tokens = Vec::new();
        let limit = self.target_limits().unwrap_or(self.limits()).tokens;
        let mut whole = input.continued().clone();
        while tokens.len() < max_tokens && whole.len() < limit {
            let remembered = self.remembers(&whole).then_some(&mut memory);
            let read = remembered.as_ref().map_or(0, |memory| memory.tokens);
            input.continued_mut().tokens = whole.tokens[read..].to_vec();
            let mut last = LastLogits::default();
            self.pass(&input, &mut last, remembered)?;
            let scores = last.scores.filter(|scores| scores.iter().all(|score| score.is_finite()));
            let scores = scores.ok_or_else(|| EngineError::NotFinite { model: self.card().id.clone() })?;
            let forced = self.forced_second().filter(|_| whole.len() == 1);
            let token = forced.unwrap_or_else(|| chooser.choose(&scores));
            tokens.push(token);
            whole.tokens.extend(Encoding::from_ids(&[token], |_| String::new()).tokens);
            if each(token).is_break() || self.ends().contains(&token) {
                break;
            }
        }
        Ok(tokens)
    }

    /// How probable each of these tokens is by the scores in a row of `logits`, as (row, id), and the
    /// `n_top` most probable ones.
    pub fn rank(&self, logits: &Tensor, tokens: &[(usize, u32)], n_top: usize) -> Vec<Ranked> {
        let mut ranked: Vec<Option<Ranked>> = vec![None; tokens.len()];
        for_each_part(self.compute(), &mut ranked, 1, |i, out| {
            let (row, id) = tokens[i];
            out[0] = Some(Ranked::of(logits.row(row), id, n_top));
        });
        ranked.into_iter().flatten().collect()
    }
}

impl Ranked {
    fn of(scores: &[f32], id: u32, n_top: usize) -> Ranked {
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |score: f32| (f64::from(score) - f64::from(max)).exp();
        let sum: f64 = scores.iter().map(|score| weight(*score)).sum();
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let by_score = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
        if n_top < order.len() {
            order.select_nth_unstable_by(n_top, by_score);
            order.truncate(n_top);
        }
        order.sort_unstable_by(by_score);
        let probability = |id: u32| scores.get(id as usize).map_or(0.0, |score| weight(*score) / sum);
        Ranked {
            probability: probability(id),
            top: order.into_iter().map(|id| (id, probability(id))).collect(),
        }
    }
}

/// Keeps the scores of the last token.
#[derive(Default)]
struct LastLogits {
    scores: Option<Vec<f32>>,
}

impl Probe for LastLogits {
    fn wants(&self, site: Site) -> bool {
        site.point == Point::Logits
    }

    fn visit(&mut self, _: Site, value: Tensor) -> Tensor {
        self.scores = value.shape()[0].checked_sub(1).map(|last| value.row(last).to_vec());
        value
    }
}

/// Chooses tokens, one after the other.
struct Chooser {
    choice: Choice,
    random: fastrand::Rng,
}

impl Chooser {
    fn new(choice: Choice) -> Chooser {
        let seed = if let Choice::Sampled { seed, .. } = choice { seed } else { 0 };
        Chooser { choice, random: fastrand::Rng::with_seed(seed) }
    }

    fn choose(&mut self, scores: &[f32]) -> u32 {
        match self.choice {
            Choice::Greedy => likeliest(scores),
            Choice::Sampled { temperature, top_p, .. } => {
                sampled(scores, temperature, top_p, self.random.f64())
            }
        }
    }
}

fn likeliest(scores: &[f32]) -> u32 {
    let better = |best: usize, i: usize| if scores[i] > scores[best] { i } else { best };
    (0..scores.len()).reduce(better).unwrap_or(0) as u32
}

/// The token at `place`, from 0 to 1, when all that take part lie side by side, likely ones first,
/// each as wide as it is probable.
fn sampled(scores: &[f32], temperature: f64, top_p: f64, place: f64) -> u32 {
    let max = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let weight = |score: f32| ((f64::from(score) - max) / temperature).exp();
    let mut tokens: Vec<(u32, f64)> = (0..).zip(scores.iter().map(|score| weight(*score))).collect();
    tokens.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all: f64 = tokens.iter().map(|(_, weight)| weight).sum();
    // The token that crosses the border takes part.
    let mut share = 0.0;
    let taking_part = tokens.iter().take_while(|(_, weight)| {
        let before = share;
        share += weight / all;
        before < top_p
    });
    let n = taking_part.count().max(1);
    let part: f64 = tokens[..n].iter().map(|(_, weight)| weight).sum();
    let mut left = place * part;
    let found = tokens[..n].iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(&tokens[n - 1]).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_likeliest_is_chosen() {
        assert_eq!(likeliest(&[-1.0, 3.0, 2.0, 3.0]), 1);
        assert_eq!(Chooser::new(Choice::Greedy).choose(&[0.0, f32::MAX]), 1);
    }

    #[test]
    fn sampling_takes_tokens_by_their_share() {
        // Shares of 0.2, 0.5 and 0.3.
        let scores = [0.2f32, 0.5, 0.3].map(f32::ln);
        let rows = [
            (1.0, 1.0, 0.0, 1),
            (1.0, 1.0, 0.49, 1),
            (1.0, 1.0, 0.51, 2),
            (1.0, 1.0, 0.79, 2),
            (1.0, 1.0, 0.81, 0),
            (1.0, 1.0, 1.0, 0),
            (1.0, 0.6, 0.99, 2), // 0.5 is below 0.6, so the second takes part, too
            (1.0, 0.5, 0.99, 1), // 0.5 is not
            (1.0, 1e-9, 0.99, 1),
            (0.01, 1.0, 0.99, 1), // cold: almost greedy
            (100.0, 1.0, 0.7, 0), // hot: almost thirds
        ];
        for (temperature, top_p, place, expected) in rows {
            assert_eq!(
                sampled(&scores, temperature, top_p, place),
                expected,
                "{temperature} {top_p} {place}"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let scores: Vec<f32> = (0..50).map(|i| (i as f32).sin()).collect();
        let draw = |seed| {
            let mut chooser = Chooser::new(Choice::Sampled { temperature: 1.0, top_p: 0.9, seed });
            (0..20).map(|_| chooser.choose(&scores)).collect::<Vec<u32>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn tokens_are_ranked_by_probability() {
        let scores = [0.1f32, 0.4, 0.4, 0.1].map(f32::ln);
        let ranked = Ranked::of(&scores, 3, 2);
        assert!((ranked.probability - 0.1).abs() < 1e-7);
        assert_eq!(ranked.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
        assert!((ranked.top[0].1 - 0.4).abs() < 1e-7);
        assert_eq!(Ranked::of(&scores, 9, 99).top.len(), 4);
    }
}
