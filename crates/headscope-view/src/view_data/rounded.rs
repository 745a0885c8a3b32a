//! A long text's weights in 16 bits each: half of what goes from the app's server to its page.

use headscope_trace::Tensor;
use rayon::prelude::*;

/// More weights than this are sent rounded: a head of 1,024 tokens has 4 MB of them.
pub const SENT_WHOLE: usize = 1 << 20;

/// How far a weight is off at most when it is read back: half a step at a weight of 1, where steps are widest, which is
/// 1/65,535, and what single precision adds.
pub const WITHIN: f32 = 1.6e-5;

const STEPS: f32 = 65_535.0;

/// The weights as little-endian u16 on a square-root scale, on which 65,535 is 1; so small weights, of which a
/// long text has most, keep their digits. None if there are so few that all digits are sent, or a damaged file's
/// are not between 0 and 1.
pub fn rounded(pattern: &Tensor) -> Option<Vec<u8>> {
    if pattern.len() <= SENT_WHOLE || !pattern.par_iter().all(|weight| (0.0..=1.0).contains(weight)) {
        return None;
    }
    let mut bytes = vec![0; pattern.len() * size_of::<u16>()];
    bytes.par_chunks_mut(1 << 16).zip(pattern.par_chunks(1 << 15)).for_each(|(bytes, weights)| {
        for (to, weight) in bytes.chunks_exact_mut(size_of::<u16>()).zip(weights) {
            to.copy_from_slice(&((weight.sqrt() * STEPS + 0.5) as u16).to_le_bytes());
        }
    });
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_back_within_what_is_said() {
        let weight = |i: usize| (i as f32 / SENT_WHOLE as f32).powi(3);
        let pattern = Tensor::new([1, SENT_WHOLE + 1], (0..=SENT_WHOLE).map(weight).collect());
        let bytes = rounded(&pattern).unwrap();
        let most = bytes.chunks_exact(2).zip(pattern.iter()).map(|(bytes, weight)| {
            let step = f32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
            ((step / STEPS).powi(2) - weight).abs()
        });
        let most = most.fold(0.0, f32::max);
        assert!(most > 0.9 * WITHIN && most < WITHIN, "{most} of {WITHIN}");
    }

    #[test]
    fn few_weights_and_strange_ones_keep_their_digits() {
        let of = |count: usize, last: f32| {
            let mut weights = vec![0.5; count];
            weights[count - 1] = last;
            rounded(&Tensor::new([1, count], weights)).is_some()
        };
        assert!(of(SENT_WHOLE + 1, 1.0) && !of(SENT_WHOLE, 1.0));
        assert!([-0.1, 1.1, f32::NAN].iter().all(|strange| !of(SENT_WHOLE + 1, *strange)));
    }
}
