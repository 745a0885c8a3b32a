//! A long text's weights in 16 bits each: half of what goes from the app's server to its page.

/// How far a weight is off at most when it is read back: half a step at a weight of 1, where steps are widest, which is
/// 1/65,535, and what single precision adds.
pub const WITHIN: f32 = 1.6e-5;

const STEPS: f32 = 65_535.0;

/// Weights as little-endian u16 on a square-root scale, on which 65,535 is 1; so small weights, of which a long text
/// has most, keep their digits. None if a damaged file's are not between 0 and 1.
pub fn rounded(weights: &[f32]) -> Option<Vec<u8>> {
    // Without a way out the compiler tests many at once.
    if weights.iter().fold(false, |strange, weight| strange | !(0.0..=1.0).contains(weight)) {
        return None;
    }
    let mut bytes = vec![0; size_of_val(weights) / 2];
    for (to, weight) in bytes.chunks_exact_mut(size_of::<u16>()).zip(weights) {
        to.copy_from_slice(&((weight.sqrt() * STEPS + 0.5) as u16).to_le_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_back_within_what_is_said() {
        let n = 1 << 20;
        let weights: Vec<f32> = (0..=n).map(|i| (i as f32 / n as f32).powi(3)).collect();
        let bytes = rounded(&weights).unwrap();
        let most = bytes.chunks_exact(2).zip(&weights).map(|(bytes, weight)| {
            let step = f32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
            ((step / STEPS).powi(2) - weight).abs()
        });
        let most = most.fold(0.0, f32::max);
        assert!(most > 0.9 * WITHIN && most < WITHIN, "{most} of {WITHIN}");
    }

    #[test]
    fn strange_weights_keep_their_digits() {
        assert!(rounded(&[0.0, 1.0]).is_some());
        assert!([-0.1, 1.1, f32::NAN].iter().all(|strange| rounded(&[0.5, *strange]).is_none()));
    }
}
