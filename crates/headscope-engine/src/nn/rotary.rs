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
use crate::kernels::{Compute, Pairing, Turns};
use crate::probe::Pass;

/// How fast each pair of dimensions turns, and how far texts may reach.
pub struct Rotary {
    /// Radians per position, for each pair.
    frequencies: Vec<f32>,
    /// How much longer turned vectors become.
    magnitude: f32,
    /// Which frequencies texts have that are longer than those of the training.
    beyond: Option<(usize, Beyond)>,
    pairing: Pairing,
    /// The longest text.
    pub positions: usize,
}

/// Frequencies of texts that are longer than those of the training.
enum Beyond {
    /// All turn the more slowly the longer the text is: NTK-aware scaling.
    Dynamic { theta: f32, factor: f64, d: usize },
    /// Others for all longer texts.
    Fixed(Vec<f32>),
}

/// What a configuration means that does not say it, and what it calls things.
#[derive(Clone, Copy)]
pub struct RotaryUsual {
    /// The longest text.
    pub positions: usize,
    /// The base of the frequencies, outside of the section on rotary positions.
    pub theta: (&'static str, f64),
    /// The share of a head's dimensions that turn, outside of the section; all, where there is no such
    /// setting.
    pub share: Option<(&'static str, f64)>,
    /// The longest text of the training, where scaling asks for it; by default the longest text.
    pub trained: Option<usize>,
    /// The names of LongRoPE.
    pub longrope: &'static [&'static str],
}

impl RotaryUsual {
    /// What most families mean.
    pub fn new(positions: usize) -> RotaryUsual {
        RotaryUsual {
            positions,
            theta: ("rope_theta", 10_000.0),
            share: None,
            trained: None,
            longrope: &["longrope"],
        }
    }
}

/// Wider heads are in a damaged configuration, and would fill the memory with frequencies.
const WIDEST_HEAD: usize = 1 << 16;

impl Rotary {
    /// What `rope_scaling` or `rope_parameters` says, for heads of `d_head` dimensions.
    ///
    /// A text may be as long as `max_position_embeddings`, or as the positions of the training times the
    /// factor by which they are stretched.
    ///
    /// # Errors
    /// If the type is not supported, or a number is missing or impossible.
    pub fn read(config: &Config, d_head: usize, usual: &RotaryUsual) -> Result<Rotary, EngineError> {
        let rope = config.section("rope_scaling")?;
        let rope = if rope.is_empty() { config.section("rope_parameters")? } else { rope };
        Rotary::of_section(config, &rope, d_head, usual)
    }

    /// What the section `rope` of a configuration says.
    ///
    /// # Errors
    /// As [`read`](Rotary::read).
    pub fn of_section(
        config: &Config,
        rope: &Config,
        d_head: usize,
        usual: &RotaryUsual,
    ) -> Result<Rotary, EngineError> {
        let given = config.size("max_position_embeddings", usual.positions)?;
        let kind = rope.get("rope_type", rope.get("type", "default".to_owned())?)?;
        let theta = config.get(usual.theta.0, Positive(usual.theta.1))?.0;
        let theta = rope.get("rope_theta", Positive(theta))?.0;
        let d = turning(config, rope, d_head, usual.share)?;
        let trained = || match config.given("original_max_position_embeddings")?.or(usual.trained) {
            Some(trained) => config.size("original_max_position_embeddings", trained),
            None => rope.size("original_max_position_embeddings", given),
        };
        let stretched = |trained: usize, factor: f64| given.max((trained as f64 * factor) as usize);
        let factor = || Ok(rope.needed::<Positive>("factor")?.0);

        let mut rotary = Rotary {
            frequencies: frequencies(theta as f32, d),
            magnitude: 1.0,
            beyond: None,
            pairing: Pairing::Halves,
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
                if d < 3 {
                    let detail = format!("is {d_head}, of which {d} turn; dynamic rope needs at least 3");
                    return Err(config.fault("head_dim", detail));
                }
                rotary.beyond = Some((given, Beyond::Dynamic { theta: theta as f32, factor, d }));
                rotary.positions = stretched(given, factor);
            }
            name if usual.longrope.contains(&name) => {
                let long = LongRope::read(rope, trained()?, given, d.div_ceil(2))?;
                rotary.frequencies = long.frequencies(theta as f32, d, &long.short);
                rotary.magnitude = long.magnitude as f32;
                let beyond = Beyond::Fixed(long.frequencies(theta as f32, d, &long.long));
                rotary.beyond = Some((long.trained, beyond));
            }
            "yarn" => {
                let trained = trained()?;
                let yarn = Yarn::read(rope, trained, given)?;
                rotary.frequencies = yarn.frequencies(theta, d);
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
                let supported = "default, linear, dynamic, yarn, longrope, llama3";
                return Err(rope.fault("rope_type", format!("is {other:?}; supported are {supported}")));
            }
        }
        let beyond = match &rotary.beyond {
            Some((_, Beyond::Fixed(frequencies))) => &frequencies[..],
            _ => &[],
        };
        let numbers = rotary.frequencies.iter().chain(beyond).chain([&rotary.magnitude]);
        if !numbers.copied().all(f32::is_finite) {
            return Err(rope.fault("rope_theta", format!("is {theta}; its {kind} angles are not finite")));
        }
        Ok(rotary)
    }

    /// Whether a position turns alike in all texts of up to so many tokens.
    pub fn is_steady(&self, tokens: usize) -> bool {
        self.beyond.as_ref().is_none_or(|(trained, _)| tokens <= *trained)
    }

    /// The plain rotation of the first `d` dimensions, a number that is even, with texts up to `positions`.
    pub fn plain(theta: f64, d: usize, pairing: Pairing, positions: usize) -> Rotary {
        let frequencies = frequencies(theta as f32, d);
        Rotary { frequencies, magnitude: 1.0, beyond: None, pairing, positions }
    }

    /// The turns of some positions of a text that ends with them, for all layers.
    pub fn turns(&self, compute: &Compute, positions: Range<usize>) -> Turns {
        let tokens = positions.end;
        let new = |frequencies: &[f32]| Turns::new(compute, frequencies, self.magnitude, positions.clone());
        let turns = match &self.beyond {
            Some((trained, Beyond::Dynamic { theta, factor, d })) if tokens > *trained => {
                new(&frequencies(stretched_theta(*theta, *factor, tokens, *trained, *d), *d))
            }
            Some((trained, Beyond::Fixed(frequencies))) if tokens > *trained => new(frequencies),
            _ => new(&self.frequencies),
        };
        turns.of(self.pairing)
    }
}

/// How many dimensions of a head turn. They do so in pairs, and there is room for as many.
fn turning(
    config: &Config,
    rope: &Config,
    d_head: usize,
    usual: Option<(&str, f64)>,
) -> Result<usize, EngineError> {
    let share = match usual {
        Some((key, share)) => rope.get("partial_rotary_factor", config.get(key, share)?)?,
        None => {
            config.only_number("partial_rotary_factor", 1.0)?;
            rope.only_number("partial_rotary_factor", 1.0)?;
            1.0
        }
    };
    if !(0.0..=1.0).contains(&share) {
        return Err(rope.fault("partial_rotary_factor", format!("is {share}; expected 0 to 1")));
    }
    let d = (d_head as f64 * share) as usize;
    if d.next_multiple_of(2) > d_head || d_head > WIDEST_HEAD {
        let detail = format!("is {d_head}; rotary positions need an even number up to {WIDEST_HEAD}");
        return Err(config.fault("head_dim", detail));
    }
    Ok(d)
}

/// Turns the queries and keys of a stacked projection, which are tapped before as `q_pre` and `k_pre`; a
/// layer without turns only has them tapped.
pub fn rotate(turns: Option<&Turns>, layout: HeadLayout, mut qkv: Tensor, pass: &mut Pass<'_>) -> Tensor {
    let [q, k, _] = layout.split(&qkv);
    let places = [(AttnPoint::QPre, q), (AttnPoint::KPre, k)];
    let seen = places.map(|(point, heads)| Some((heads.start, heads.tap(point, pass)?)));
    let columns = qkv.shape()[1];
    for (start, value) in seen.into_iter().flatten() {
        put_heads(&value, &mut qkv.values_mut()[start..], columns);
    }
    let HeadLayout { n_heads, n_key_heads, d_head } = layout;
    if let Some(turns) = turns {
        turns.apply(pass.compute, qkv.values_mut(), columns, n_heads + n_key_heads, d_head);
    }
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

/// The base that stretches `trained` positions to `tokens`, for `d` turning dimensions.
fn stretched_theta(theta: f32, factor: f64, tokens: usize, trained: usize, d: usize) -> f32 {
    let stretch = factor as f32 * tokens as f32 / trained as f32 - (factor - 1.0) as f32;
    theta * power(stretch, d as f64 / (d as f64 - 2.0))
}

/// LongRoPE (arXiv 2402.13753): each pair is slowed by a factor of its own, which texts within the length of
/// the training have smaller.
struct LongRope {
    trained: usize,
    magnitude: f64,
    short: Vec<f32>,
    long: Vec<f32>,
}

impl LongRope {
    fn read(rope: &Config, trained: usize, positions: usize, pairs: usize) -> Result<LongRope, EngineError> {
        let factor = rope.get("factor", Positive(positions as f64 / trained as f64))?.0;
        let usual = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (trained as f64).ln()).sqrt() };
        let factors = |key| match rope.needed::<Vec<f32>>(key)? {
            factors if factors.len() == pairs => Ok(factors),
            other => Err(rope
                .fault(key, format!("has {} numbers; expected one for each of {pairs} pairs", other.len()))),
        };
        Ok(LongRope {
            trained,
            magnitude: rope.given::<Positive>("attention_factor")?.map_or(usual, |factor| factor.0),
            short: factors("short_factor")?,
            long: factors("long_factor")?,
        })
    }

    fn frequencies(&self, theta: f32, d: usize, factors: &[f32]) -> Vec<f32> {
        periods(theta, d).zip(factors).map(|(period, factor)| 1.0 / (factor * period)).collect()
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
