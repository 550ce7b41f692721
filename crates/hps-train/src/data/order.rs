//! In which order items are seen.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Every item once per epoch, in an order that only the seed and the epoch decide.
///
/// Positions count items from the very first on, over all epochs: position `p` is in
/// epoch `p / len`. Whoever stores one number can go on from there, with any batch
/// size, on any machine.
///
/// The order is fixed for all time: the BLAKE3 hash of `"hps-loop order 1\0"`, the
/// seed and the epoch (little-endian `u64`) seeds ChaCha8, which drives the
/// Fisher-Yates shuffle from the last place down; bounded numbers are drawn by
/// Lemire's multiplication with rejection (arXiv 1805.10941).
#[derive(Clone, Debug)]
pub struct Order {
    seed: u64,
    len: usize,
    /// The epoch that is shuffled, and its items.
    current: Option<(u64, Vec<u32>)>,
}

impl Order {
    /// The order of `len` items, fewer than 2^32, under `seed`.
    pub fn new(seed: u64, len: usize) -> Self {
        Order { seed, len, current: None }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items at `position`, `position + 1`, …: `size` indices below `len`. A
    /// batch at the end of an epoch goes on in the next. Empty where there are no
    /// items.
    pub fn batch(&mut self, position: u64, size: usize) -> Vec<usize> {
        if self.len == 0 {
            return Vec::new();
        }
        let len = self.len as u64;
        let mut indices = Vec::with_capacity(size);
        while indices.len() < size {
            let place = position + indices.len() as u64;
            let items = self.epoch(place / len);
            let rest = items.iter().skip((place % len) as usize);
            indices.extend(rest.take(size - indices.len()).map(|&index| index as usize));
        }
        indices
    }

    /// The whole order of an epoch.
    fn epoch(&mut self, epoch: u64) -> &[u32] {
        if self.current.as_ref().is_none_or(|(current, _)| *current != epoch) {
            self.current = Some((epoch, shuffled(self.seed, epoch, self.len)));
        }
        self.current.as_ref().map_or(&[], |(_, items)| items)
    }
}

fn shuffled(seed: u64, epoch: u64, len: usize) -> Vec<u32> {
    let mut key = b"hps-loop order 1\0".to_vec();
    key.extend_from_slice(&seed.to_le_bytes());
    key.extend_from_slice(&epoch.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(*blake3::hash(&key).as_bytes());
    let mut items: Vec<u32> = (0..len as u32).collect();
    for last in (1..len).rev() {
        items.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
    items
}

/// A uniform number below `bound`, which is at least 1.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    let reject_below = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= reject_below {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_frozen() {
        let two_epochs = [0, 7, 4, 6, 5, 1, 2, 3, 0, 6, 4, 2, 3, 5, 1, 7];
        assert_eq!(Order::new(7, 8).batch(0, 16), two_epochs);
    }

    #[test]
    fn seeds_and_epochs_differ() {
        let first = Order::new(1, 100).batch(0, 100);
        assert_ne!(first, Order::new(2, 100).batch(0, 100));
        assert_ne!(first, Order::new(1, 100).batch(100, 100));
        assert!(Order::new(1, 0).batch(5, 3).is_empty());
    }

    #[test]
    fn every_item_comes_first_equally_often() {
        let mut counts = [0u32; 6];
        for seed in 0..6000 {
            for index in Order::new(seed, 6).batch(0, 1) {
                counts[index] += 1;
            }
        }
        // Five standard deviations of a binomial count.
        for count in counts {
            assert!((i64::from(count) - 1000).abs() < 145, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn an_epoch_has_every_item_once(seed: u64, len in 1..200usize, epoch in 0..5u64) {
            let mut items = Order::new(seed, len).batch(epoch * len as u64, len);
            items.sort_unstable();
            prop_assert_eq!(items, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn batches_of_any_size_are_one_sequence(
            seed: u64, len in 1..50usize, sizes in proptest::collection::vec(1..70usize, 1..6),
        ) {
            let whole = Order::new(seed, len).batch(0, sizes.iter().sum());
            let mut order = Order::new(seed, len);
            let mut position = 0;
            for size in sizes {
                let batch = order.batch(position as u64, size);
                prop_assert_eq!(&batch, &whole[position..position + size]);
                position += size;
            }
        }
    }
}
