//! Random numbers as pure functions of a key.
//!
//! A [`Stream`] is ChaCha8 whose 32-byte key *is* the name of the draw: a version
//! tag, the seed, an index and a purpose, eight bytes each, little-endian. Nothing
//! depends on the platform: uniform numbers are scaled integers, and transcendental
//! functions come from the portable `libm`.

use hps_core::Seed;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for. The number is part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Where objects stand.
    Layout = 1,
    /// Clouds, stars and brush strokes.
    Render = 2,
    /// Damage done to a finished picture.
    Damage = 3,
    /// Single captioned pictures.
    Picture = 4,
    /// Preference pairs.
    Pair = 5,
    /// Rankings.
    Ranking = 6,
    /// The pictures a judge calibrates itself with.
    Reference = 7,
}

/// The random numbers of one key.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of draw `index` of `seed` for `purpose`.
    pub(crate) fn new(seed: Seed, index: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        let words = [*b"hpsworld", seed.0.to_le_bytes(), index.to_le_bytes()];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word);
        }
        key[24] = purpose as u8;
        key[25] = 1; // The version: raise it when the meaning of draws changes.
        Stream(ChaCha8Rng::from_seed(key))
    }

    /// A seed for something that draws on its own.
    pub(crate) fn seed(&mut self) -> Seed {
        Seed(self.0.next_u64())
    }

    /// 32 random bits, to key a texture.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A whole number below `count`, which is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }

    /// A number in [0, 1).
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A number in [`low`, `high`).
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of `options`, which are not empty.
    pub(crate) fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    /// Puts `items` in a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A standard normal number (Box-Muller).
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.unit()));
        radius * libm::cosf(std::f32::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_matters() {
        let first = |seed, index, purpose| Stream::new(Seed(seed), index, purpose).bits();
        let base = first(1, 2, Purpose::Layout);
        assert_eq!(base, first(1, 2, Purpose::Layout));
        assert_ne!(base, first(2, 2, Purpose::Layout));
        assert_ne!(base, first(1, 3, Purpose::Layout));
        assert_ne!(base, first(1, 2, Purpose::Render));
    }

    #[test]
    fn draws_are_in_range_and_spread() {
        let mut stream = Stream::new(Seed(0), 0, Purpose::Layout);
        let mut counts = [0; 6];
        for _ in 0..6000 {
            counts[stream.below(6)] += 1;
            assert!((-1.0..2.0).contains(&stream.range(-1.0, 2.0)));
        }
        // Five standard deviations of a binomial count around 1000.
        assert!(counts.iter().all(|count: &i32| (count - 1000).abs() < 145), "{counts:?}");
        let normals: Vec<f32> = (0..4000).map(|_| stream.normal()).collect();
        let mean = normals.iter().sum::<f32>() / 4000.0;
        let variance = normals.iter().map(|v| v * v).sum::<f32>() / 4000.0;
        assert!(mean.abs() < 0.08 && (variance - 1.0).abs() < 0.12, "{mean} {variance}");
    }

    #[test]
    fn shuffles_keep_every_item() {
        let mut items: Vec<u32> = (0..20).collect();
        Stream::new(Seed(3), 0, Purpose::Pair).shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
