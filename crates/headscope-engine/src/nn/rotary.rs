//! Rotary position embeddings (arXiv 2104.09864): queries and keys are turned by angles that grow with
//! their position, so that a score depends on how far apart two tokens are.
//!
//! Frequencies and angles are f32, computed in the order in which transformers computes them: an angle of
//! 2,000 radians is off by 6e-5 in f32, and rounding it in another way would outweigh every other error.

use std::ops::Range;

use headscope_trace::{AttnPoint, Tensor};

use super::HeadLayout;
use crate::EngineError;
use crate::config::{Config, Positive};
use crate::kernels::{Compute, Turns};
use crate::probe::Pass;

/// How fast each pair of dimensions turns, and how far texts may reach.
pub struct Rotary {
    /// Radians per position, for each pair.
    frequencies: Vec<f32>,
    /// How much longer turned vectors become.
    magnitude: f32,
    /// Where texts longer than those of the training turn more slowly.
    dynamic: Option<Dynamic>,
    /// The longest text.
    pub positions: usize,
}

/// Wider heads are in a damaged configuration, and would fill the memory with frequencies.
const WIDEST_HEAD: usize = 1 << 16;

struct Dynamic {
    theta: f32,
    factor: f64,
    trained: usize,
}

impl Rotary {
    /// What `rope_scaling` or `rope_parameters` says, for heads of `d_head` dimensions, all of which turn.
    ///
    /// A text may be as long as `max_position_embeddings`, or as the positions of the training times the
    /// factor by which they are stretched.
    ///
    /// # Errors
    /// If the type is not supported, or a number is missing or impossible.
    pub fn read(config: &Config, d_head: usize, default_positions: usize) -> Result<Rotary, EngineError> {
        let given = config.size("max_position_embeddings", default_positions)?;
        let rope = config.section("rope_scaling")?;
        let rope = if rope.is_empty() { config.section("rope_parameters")? } else { rope };
        let theta = config.get("rope_theta", Positive(10_000.0))?.0;
        Rotary::read_section(config, &rope, theta, d_head, given)
    }

    /// What one section of a configuration says, for models that turn differently in some layers; `theta` is
    /// meant if it does not say, and `given` are the configuration's positions.
    ///
    /// # Errors
    /// As [`read`](Rotary::read).
    pub fn read_section(
        config: &Config,
        rope: &Config,
        theta: f64,
        d_head: usize,
        given: usize,
    ) -> Result<Rotary, EngineError> {
        let kind = rope.get("rope_type", rope.get("type", "default".to_owned())?)?;
        let theta = rope.get("rope_theta", Positive(theta))?.0;
        if !d_head.is_multiple_of(2) || d_head > WIDEST_HEAD {
            let detail = format!("is {d_head}; rotary positions need an even number up to {WIDEST_HEAD}");
            return Err(config.fault("head_dim", detail));
        }
        for part in [config, rope] {
            let share = part.get("partial_rotary_factor", 1.0)?;
            if share != 1.0f64 {
                return Err(part.fault("partial_rotary_factor", format!("is {share}; supported is 1")));
            }
        }
        let stretched = |trained: usize, factor: f64| given.max((trained as f64 * factor) as usize);
        let trained = || rope.size("original_max_position_embeddings", given);
        let factor = || Ok(rope.needed::<Positive>("factor")?.0);

        let mut rotary = Rotary {
            frequencies: frequencies(theta as f32, d_head),
            magnitude: 1.0,
            dynamic: None,
            positions: given,
        };
        match kind.as_str() {
            "default" => {}
            "linear" => {
                let factor = factor()?;
                rotary.frequencies.iter_mut().for_each(|frequency| *frequency /= factor as f32);
                rotary.positions = stretched(given, factor);
            }
            "dynamic" => {
                let factor = factor()?;
                if d_head < 4 {
                    return Err(
                        config.fault("head_dim", format!("is {d_head}; dynamic rope needs at least 4"))
                    );
                }
                rotary.dynamic = Some(Dynamic { theta: theta as f32, factor, trained: given });
                rotary.positions = stretched(given, factor);
            }
            "yarn" => {
                let trained = trained()?;
                let yarn = Yarn::read(rope, trained, given)?;
                rotary.frequencies = yarn.frequencies(theta, d_head);
                rotary.magnitude = yarn.magnitude as f32;
                rotary.positions = stretched(trained, yarn.factor);
            }
            "llama3" => {
                let llama3 = Llama3 {
                    factor: factor()? as f32,
                    low: rope.needed::<Positive>("low_freq_factor")?.0,
                    high: rope.needed::<Positive>("high_freq_factor")?.0,
                    trained: trained()? as f64,
                };
                rotary.frequencies.iter_mut().for_each(|frequency| *frequency = llama3.slowed(*frequency));
                rotary.positions = stretched(trained()?, f64::from(llama3.factor));
            }
            // What a GGUF file says of llama3: by how much each pair is slowed.
            "divided" => {
                let divisors = rope.needed::<Vec<f64>>("divisors")?;
                if divisors.len() != rotary.frequencies.len() || !divisors.iter().all(|by| *by > 0.0) {
                    let detail = format!("are {} numbers; expected {} above 0", divisors.len(), d_head / 2);
                    return Err(rope.fault("divisors", detail));
                }
                let slow = |(frequency, by): (&mut f32, f64)| *frequency /= by as f32;
                rotary.frequencies.iter_mut().zip(divisors).for_each(slow);
            }
            other => {
                let supported = "default, linear, dynamic, yarn, llama3";
                return Err(rope.fault("rope_type", format!("is {other:?}; supported are {supported}")));
            }
        }
        if !rotary.frequencies.iter().all(|frequency| frequency.is_finite()) {
            return Err(rope.fault("rope_theta", format!("is {theta}; its {kind} angles are not finite")));
        }
        Ok(rotary)
    }

    /// Whether a position turns alike in all texts of up to so many tokens.
    pub fn is_steady(&self, tokens: usize) -> bool {
        self.dynamic.as_ref().is_none_or(|dynamic| tokens <= dynamic.trained)
    }

    /// The turns of some positions of a text that ends with them, for all layers.
    pub fn turns(&self, compute: &Compute, positions: Range<usize>) -> Turns {
        match &self.dynamic {
            Some(dynamic) if positions.end > dynamic.trained => {
                let pairs = self.frequencies.len();
                let frequencies = frequencies(dynamic.theta_for(positions.end, pairs), 2 * pairs);
                Turns::new(compute, &frequencies, self.magnitude, positions)
            }
            _ => Turns::new(compute, &self.frequencies, self.magnitude, positions),
        }
    }
}

/// Turns the queries and keys of a stacked projection, which are tapped before as `q_pre` and `k_pre`.
pub fn rotate(turns: &Turns, layout: HeadLayout, mut qkv: Tensor, pass: &mut Pass<'_>) -> Tensor {
    let [q, k, _] = layout.split(&qkv);
    let places = [(AttnPoint::QPre, q), (AttnPoint::KPre, k)];
    let seen = places.map(|(point, heads)| Some((heads.start, heads.tap(point, pass)?)));
    let columns = qkv.shape()[1];
    for (start, value) in seen.into_iter().flatten() {
        put_heads(&value, &mut qkv.values_mut()[start..], columns);
    }
    let HeadLayout { n_heads, n_key_heads, d_head } = layout;
    turns.apply(pass.compute, qkv.values_mut(), columns, n_heads + n_key_heads, d_head);
    qkv
}

/// Writes `[heads, tokens, d_head]` back to the projection that it was taken from.
fn put_heads(heads: &Tensor, out: &mut [f32], columns: usize) {
    let (tokens, d_head) = (heads.shape()[1], heads.shape()[2]);
    for (i, row) in heads.chunks_exact(d_head).enumerate() {
        let at = i % tokens * columns + i / tokens * d_head;
        out[at..at + d_head].copy_from_slice(row);
    }
}

/// `base^exponent`, rounded once.
fn power(base: f32, exponent: f64) -> f32 {
    f64::from(base).powf(exponent) as f32
}

/// Positions per radian of each pair: `theta^(2 i / d)`.
fn periods(theta: f32, d: usize) -> impl Iterator<Item = f32> {
    (0..d).step_by(2).map(move |i| power(theta, f64::from(i as f32 / d as f32)))
}

fn frequencies(theta: f32, d: usize) -> Vec<f32> {
    periods(theta, d).map(|period| 1.0 / period).collect()
}

impl Dynamic {
    /// The base that stretches `trained` positions to `tokens` (NTK-aware scaling).
    fn theta_for(&self, tokens: usize, pairs: usize) -> f32 {
        let d = 2.0 * pairs as f64;
        let stretch = self.factor as f32 * tokens as f32 / self.trained as f32 - (self.factor - 1.0) as f32;
        self.theta * power(stretch, d / (d - 2.0))
    }
}

/// YaRN (arXiv 2309.00071): pairs that turn often keep their speed, slow ones are slowed by the factor.
struct Yarn {
    factor: f64,
    magnitude: f64,
    /// The pairs, counted from the fastest, between which one becomes the other.
    fast: f64,
    slow: f64,
    truncate: bool,
    trained: f64,
}

impl Yarn {
    fn read(rope: &Config, trained: usize, positions: usize) -> Result<Yarn, EngineError> {
        let trained = trained as f64;
        let factor = rope.get("factor", Positive(positions as f64 / trained))?.0;
        let growth = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
        let of_all = |key| rope.get(key, 0.0);
        let usual = match (of_all("mscale")?, of_all("mscale_all_dim")?) {
            (m, all) if m != 0.0 && all != 0.0 => growth(m) / growth(all),
            _ => growth(1.0),
        };
        Ok(Yarn {
            factor,
            magnitude: rope.get("attention_factor", Positive(usual))?.0,
            fast: rope.get("beta_fast", Positive(32.0))?.0,
            slow: rope.get("beta_slow", Positive(1.0))?.0,
            truncate: rope.get("truncate", true)?,
            trained,
        })
    }

    fn frequencies(&self, theta: f64, d: usize) -> Vec<f32> {
        let turning = |turns: f64| {
            let per_turn = self.trained / (turns * 2.0 * std::f64::consts::PI);
            d as f64 * per_turn.ln() / (2.0 * theta.ln())
        };
        let (low, high) = (turning(self.fast), turning(self.slow));
        let (low, high) = if self.truncate { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(d as f64 - 1.0));
        let width = if low == high { 0.001 } else { high - low };
        let share_kept = |pair: usize| 1.0 - ((pair as f32 - low as f32) / width as f32).clamp(0.0, 1.0);
        let frequency = |(pair, period): (usize, f32)| {
            let (slowed, kept) = (1.0 / (self.factor as f32 * period), 1.0 / period);
            slowed * (1.0 - share_kept(pair)) + kept * share_kept(pair)
        };
        periods(theta as f32, d).enumerate().map(frequency).collect()
    }
}

/// The scaling of Llama 3.1: by wavelength, short ones stay, long ones are stretched by the factor.
struct Llama3 {
    factor: f32,
    low: f64,
    high: f64,
    trained: f64,
}

impl Llama3 {
    fn slowed(&self, frequency: f32) -> f32 {
        let wavelength = (2.0 * std::f64::consts::PI) as f32 / frequency;
        if wavelength > (self.trained / self.low) as f32 {
            frequency / self.factor
        } else if wavelength < (self.trained / self.high) as f32 {
            frequency
        } else {
            let smooth = (self.trained as f32 / wavelength - self.low as f32) / (self.high - self.low) as f32;
            (1.0 - smooth) * frequency / self.factor + smooth * frequency
        }
    }
}
