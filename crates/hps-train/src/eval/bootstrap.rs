//! Intervals and tests by resampling prompts.
//!
//! The unit is the prompt: comparisons of one prompt are not independent. Every
//! resample has a random generator of its own, seeded by its number, so results do
//! not depend on threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::below;

/// How intervals and p-values are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resampling {
    /// Bootstrap resamples and sign flips; 0 gives neither intervals nor p-values.
    pub resamples: usize,
    /// The seed of both.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Resampling { resamples: 10_000, seed: 0 }
    }
}

/// A value and its 95 % percentile bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The value on all prompts.
    pub value: f64,
    /// The 2.5 % quantile of the resamples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The 97.5 % quantile of the resamples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// One reward's agreement minus another's, on the same comparisons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The reward that is subtracted from.
    pub reward: String,
    /// The reward that is subtracted.
    pub minus: String,
    /// The difference.
    pub difference: Estimate,
    /// The two-sided p-value of the sign-flip test over prompts:
    /// `(1 + flips at least as far from 0) / (resamples + 1)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

/// Sums per prompt: of what each column got right, and of what was to be got right.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters {
    columns: usize,
    /// Row-major: `columns` sums per prompt.
    correct: Vec<f64>,
    totals: Vec<f64>,
}

impl Clusters {
    pub(super) fn new(columns: usize, prompts: usize) -> Self {
        let correct = vec![0.0; columns * prompts];
        Clusters { columns, correct, totals: vec![0.0; prompts] }
    }

    /// Whether there are no prompts.
    pub(super) fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// Adds a comparison of prompt `prompt`.
    pub(super) fn add(&mut self, prompt: usize, correct: &[f64], total: f64) {
        let row = self.correct.iter_mut().skip(prompt * self.columns);
        row.zip(correct).for_each(|(sum, value)| *sum += value);
        if let Some(sum) = self.totals.get_mut(prompt) {
            *sum += total;
        }
    }

    fn row(&self, prompt: usize) -> &[f64] {
        self.correct.get(prompt * self.columns..(prompt + 1) * self.columns).unwrap_or_default()
    }

    /// Each column's share of the given prompts.
    fn shares(&self, prompts: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        let mut total = 0.0;
        for prompt in prompts {
            sums.iter_mut().zip(self.row(prompt)).for_each(|(sum, value)| *sum += value);
            total += self.totals.get(prompt).copied().unwrap_or_default();
        }
        sums.into_iter().map(|sum| sum / total).collect()
    }

    /// The columns' shares on all prompts.
    pub(super) fn values(&self) -> Vec<f64> {
        self.shares(0..self.totals.len())
    }

    /// The columns' shares on every resample.
    pub(super) fn resample(&self, options: Resampling) -> Vec<Vec<f64>> {
        let prompts = self.totals.len();
        let draw = |number: usize| {
            let mut rng = generator("bootstrap", options.seed, number);
            self.shares((0..prompts).map(|_| below(&mut rng, prompts as u64) as usize))
        };
        (0..options.resamples).into_par_iter().map(draw).collect()
    }

    /// The p-value of the difference between two columns.
    pub(super) fn sign_flip(&self, a: usize, b: usize, options: Resampling) -> Option<f64> {
        let column = |row: &[f64], index: usize| row.get(index).copied().unwrap_or_default();
        let differences: Vec<f64> = (0..self.totals.len())
            .map(|prompt| self.row(prompt))
            .map(|row| column(row, a) - column(row, b))
            .filter(|difference| *difference != 0.0)
            .collect();
        if options.resamples == 0 {
            return None;
        }
        let observed = differences.iter().sum::<f64>().abs();
        // Sums of the same numbers in another order must not count as smaller.
        let slack = 1e-9 * differences.iter().map(|d| d.abs()).sum::<f64>();
        let flip = |number: usize| {
            let mut rng = generator("sign flip", options.seed, number);
            let mut sum = 0.0;
            for chunk in differences.chunks(64) {
                let mut signs = rng.next_u64();
                for difference in chunk {
                    sum += if signs & 1 == 1 { *difference } else { -difference };
                    signs >>= 1;
                }
            }
            sum.abs() >= observed - slack
        };
        let extreme = (0..options.resamples).into_par_iter().filter(|&number| flip(number)).count();
        Some((1 + extreme) as f64 / (1 + options.resamples) as f64)
    }
}

impl Estimate {
    /// `value` with the quantiles of `resamples`.
    pub(super) fn new(value: f64, mut resamples: Vec<f64>) -> Self {
        resamples.sort_by(f64::total_cmp);
        Estimate { value, low: quantile(&resamples, 0.025), high: quantile(&resamples, 0.975) }
    }
}

/// The quantile of sorted values, interpolated linearly.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor(), place.ceil());
    let (low, high) = (sorted.get(below as usize)?, sorted.get(above as usize)?);
    Some(low + (high - low) * (place - below))
}

fn generator(purpose: &str, seed: u64, number: usize) -> ChaCha8Rng {
    let mut key = format!("hps-loop {purpose} 1\0").into_bytes();
    key.extend_from_slice(&seed.to_le_bytes());
    key.extend_from_slice(&(number as u64).to_le_bytes());
    ChaCha8Rng::from_seed(*blake3::hash(&key).as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Prompts of one comparison each: whether each of two columns is right.
    fn clusters(rows: &[[f64; 2]]) -> Clusters {
        let mut clusters = Clusters::new(2, rows.len());
        for (prompt, row) in rows.iter().enumerate() {
            clusters.add(prompt, row, 1.0);
        }
        clusters
    }

    const OPTIONS: Resampling = Resampling { resamples: 4000, seed: 5 };

    fn estimate(clusters: &Clusters, column: usize) -> Estimate {
        let resamples = clusters.resample(OPTIONS);
        let column_of = |row: &Vec<f64>| row[column];
        Estimate::new(clusters.values()[column], resamples.iter().map(column_of).collect())
    }

    #[test]
    fn intervals_are_as_wide_as_theory_says() {
        let rows: Vec<[f64; 2]> =
            (0..400).map(|i| [f64::from(u8::from(i % 5 != 0)), 1.0]).collect();
        let clusters = clusters(&rows);
        let rate = estimate(&clusters, 0);
        assert!((rate.value - 0.8).abs() < 1e-12);
        // The normal approximation of a binomial share.
        let half_width = 1.96 * (0.8f64 * 0.2 / 400.0).sqrt();
        assert!((rate.low.unwrap() - (0.8 - half_width)).abs() < 0.006, "{rate:?}");
        assert!((rate.high.unwrap() - (0.8 + half_width)).abs() < 0.006, "{rate:?}");
        let sure = estimate(&clusters, 1);
        assert_eq!((sure.value, sure.low, sure.high), (1.0, Some(1.0), Some(1.0)));
    }

    #[test]
    fn comparisons_of_one_prompt_are_resampled_together() {
        // Ten prompts of forty equal comparisons are ten observations, not 400.
        let mut clusters = Clusters::new(1, 10);
        for i in 0..400 {
            let prompt = i % 10;
            clusters.add(prompt, &[f64::from(u8::from(prompt < 5))], 1.0);
        }
        let estimate = estimate(&clusters, 0);
        assert_eq!(estimate.value, 0.5);
        assert!(estimate.high.unwrap() - estimate.low.unwrap() > 0.5, "{estimate:?}");
    }

    #[test]
    fn sign_flips() {
        let p = |rows: &[[f64; 2]]| clusters(rows).sign_flip(0, 1, OPTIONS).unwrap();
        assert_eq!(p(&[[1.0, 1.0]; 30]), 1.0);
        // Twenty to nothing: 2 / 2^20, below what 4000 flips can show.
        assert_eq!(p(&[[1.0, 0.0]; 20]), 1.0 / 4001.0);
        // Four to nothing: 2 / 2^4.
        assert!((p(&[[1.0, 0.0]; 4]) - 0.125).abs() < 0.03);
        // As many for as against.
        assert!(p(&[[1.0, 0.0], [0.0, 1.0]].repeat(20)) > 0.9);
        assert_eq!(
            clusters(&[[1.0, 0.0]]).sign_flip(0, 1, Resampling { resamples: 0, seed: 0 }),
            None
        );
    }

    #[test]
    fn threads_change_nothing() {
        let rows: Vec<[f64; 2]> =
            (0..50).map(|i| [f64::from(i % 7) / 7.0, f64::from(i % 3) / 3.0]).collect();
        let clusters = clusters(&rows);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (clusters.resample(OPTIONS), clusters.sign_flip(0, 1, OPTIONS)))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn quantiles() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.025), Some(3.0));
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 3.0, 4.0], 0.975), Some(3.9));
    }
}
