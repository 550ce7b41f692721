//! Every kernel that this machine can run, and a model of the tile unit, against the
//! definition of a product in `f64`.
#![allow(clippy::unwrap_used)]

mod all;
mod attention;
mod convolutions;
#[cfg(unix)]
mod guarded;
mod products;
mod weights;

use super::bf16::{round, split, widen};
use super::tile::Tile;
use all::{Check, Numbers, each_tile};

/// Numbers from a seed, evenly spread over -1..1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }
}

/// A number as a kernel multiplies it.
fn stored(numbers: Numbers, x: f32) -> f64 {
    let high = f64::from(widen(round(x)));
    match numbers {
        Numbers::F32 => x.into(),
        Numbers::Bf16 => high,
        Numbers::TwoBf16 => high + f64::from(widen(split(x).1)),
    }
}

/// `left @ right.T` of `[m, k]` and `[n, k]` in `f64`, and the sums of absolute values.
fn exact(numbers: Numbers, k: usize, left: &[f32], right: &[f32]) -> Vec<(f64, f64)> {
    let rows = |values: &[f32]| -> Vec<Vec<f64>> {
        let stored = |row: &[f32]| row.iter().map(|&x| stored(numbers, x)).collect();
        values.chunks(k.max(1)).map(stored).collect()
    };
    let (left, right) = (rows(left), rows(right));
    let terms = |a: &[f64], b: &[f64]| {
        let terms = a.iter().zip(b).map(|(a, b)| a * b);
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    left.iter().flat_map(|a| right.iter().map(|b| terms(a, b)).collect::<Vec<_>>()).collect()
}

/// The largest error allowed where the terms of a sum of `k` have this total size.
fn tolerance(numbers: Numbers, k: usize, size: f64) -> f64 {
    // Every addition rounds; the split product leaves out `low * low`.
    let rounding = f64::from(f32::EPSILON) * size * (k as f64).sqrt().max(2.0);
    let left_out = if numbers == Numbers::TwoBf16 { size * 2f64.powi(-17) } else { 0.0 };
    rounding + left_out + 1e-37
}
