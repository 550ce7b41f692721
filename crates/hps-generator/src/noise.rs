//! Standard normal noise as a pure function of a key.
//!
//! The stream of a [`NoiseKey`] is fixed for all time:
//!
//! 1. the 32-byte BLAKE3 hash of [`NoiseKey::to_bytes`] seeds ChaCha8 (stream 0);
//! 2. each `u64` of the generator gives a uniform number: its upper 53 bits plus
//!    one, divided by 2^53, which lies in (0, 1];
//! 3. each pair (u, v) of these gives two normal values by the Box-Muller
//!    transform, `sqrt(-2 ln u) * cos(2 pi v)` and `… * sin(2 pi v)`, computed in
//!    `f64` by the portable `libm` and rounded to `f32` at the end.
//!
//! Nothing of this depends on the platform, so equal keys give equal bits
//! everywhere. Values of a shorter draw are a prefix of those of a longer one.

use std::f64::consts::TAU;
use std::sync::Arc;

use hps_core::{Error, ErrorKind, NoiseKey, NoiseTag, Result};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The first `len` values of the standard normal stream of `key`.
pub fn standard_normal(key: NoiseKey<'_>, len: usize) -> Vec<f32> {
    let seed = blake3::hash(&key.to_bytes());
    let mut rng = ChaCha8Rng::from_seed(*seed.as_bytes());
    let mut values = Vec::with_capacity(len + 1);
    while values.len() < len {
        let radius = libm::sqrt(-2.0 * libm::log(uniform(&mut rng)));
        let angle = TAU * uniform(&mut rng);
        values.push((radius * libm::cos(angle)) as f32);
        values.push((radius * libm::sin(angle)) as f32);
    }
    values.truncate(len);
    values
}

/// A uniform number in (0, 1] with 53 random bits.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
    ((rng.next_u64() >> 11) + 1) as f64 * SCALE
}

/// Where a session's noise comes from.
///
/// The normal source is [`KeyedNoise`]. [`GivenNoise`] replays values from
/// elsewhere, for comparison with other implementations.
pub trait NoiseSource: Send + Sync {
    /// `len` standard normal values for the draw named by `key`.
    ///
    /// # Errors
    ///
    /// When the source has no noise for this draw.
    fn draw(&self, key: NoiseKey<'_>, len: usize) -> Result<Vec<f32>>;
}

/// [`standard_normal`] of the key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyedNoise;

impl NoiseSource for KeyedNoise {
    fn draw(&self, key: NoiseKey<'_>, len: usize) -> Result<Vec<f32>> {
        Ok(standard_normal(key, len))
    }
}

/// Recorded noise of one picture; only the key's tag and step are looked at.
#[derive(Clone, Debug)]
pub struct GivenNoise {
    initial: Arc<[f32]>,
    steps: Arc<[Vec<f32>]>,
}

impl GivenNoise {
    /// Noise for the initial latents, unscaled, and for each step's draw. Each
    /// array has `channels * height * width` latent values in that order.
    pub fn new(initial: Vec<f32>, steps: Vec<Vec<f32>>) -> Self {
        GivenNoise { initial: initial.into(), steps: steps.into() }
    }
}

impl NoiseSource for GivenNoise {
    fn draw(&self, key: NoiseKey<'_>, len: usize) -> Result<Vec<f32>> {
        let values = match key.tag {
            NoiseTag::Initial => Some(&self.initial[..]),
            _ => self.steps.get(key.step as usize).map(Vec::as_slice),
        };
        match values {
            Some(values) if values.len() == len => Ok(values.to_vec()),
            Some(values) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the given noise has {} values, the latents {len}", values.len()),
            )),
            None => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("no noise was given for step {}", key.step),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_core::Seed;

    use super::*;

    fn key(seed: u64) -> NoiseKey<'static> {
        NoiseKey {
            seed: Seed(seed),
            prompt: "a red fox",
            candidate: 2,
            step: 0,
            tag: NoiseTag::Initial,
        }
    }

    #[test]
    fn the_stream_is_frozen() {
        let bits: Vec<u32> = standard_normal(key(7), 6).iter().map(|v| v.to_bits()).collect();
        assert_eq!(
            bits,
            [0x3f8c_f37d, 0xbf2e_6f40, 0xbf5c_e72c, 0x3f75_0bf3, 0xbf99_32db, 0x3e8a_b2bb]
        );
    }

    #[test]
    fn shorter_draws_are_prefixes() {
        let long = standard_normal(key(1), 101);
        for len in [0, 1, 2, 77, 100] {
            assert_eq!(standard_normal(key(1), len), long[..len]);
        }
    }

    #[test]
    fn moments_are_those_of_a_normal_distribution() {
        let values = standard_normal(key(3), 200_000);
        let moment = |power: i32| {
            values.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / values.len() as f64
        };
        // Five standard errors of each sample moment.
        let error = |variance: f64| 5.0 * (variance / values.len() as f64).sqrt();
        assert!(moment(1).abs() < error(1.0));
        assert!((moment(2) - 1.0).abs() < error(2.0));
        assert!(moment(3).abs() < error(15.0));
        assert!((moment(4) - 3.0).abs() < error(96.0));
        let beyond_two = values.iter().filter(|v| v.abs() > 2.0).count() as f64;
        assert!((beyond_two / values.len() as f64 - 0.0455).abs() < 0.0025);
    }

    #[test]
    fn neighbours_and_other_keys_are_uncorrelated() {
        let (a, b) = (standard_normal(key(4), 50_000), standard_normal(key(5), 50_000));
        let correlation = |a: &[f32], b: &[f32]| {
            let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
            products.sum::<f64>() / a.len() as f64
        };
        assert!(correlation(&a, &b).abs() < 0.022);
        assert!(correlation(&a, &a[1..]).abs() < 0.022);
    }

    #[test]
    fn given_noise_is_checked() {
        let noise = GivenNoise::new(vec![1.0, 2.0], vec![vec![3.0, 4.0]]);
        let step = |step| NoiseKey { step, tag: NoiseTag::Step, ..key(0) };
        assert_eq!(noise.draw(key(0), 2).unwrap(), [1.0, 2.0]);
        assert_eq!(noise.draw(step(0), 2).unwrap(), [3.0, 4.0]);
        assert_eq!(noise.draw(step(1), 2).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(noise.draw(key(0), 3).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
