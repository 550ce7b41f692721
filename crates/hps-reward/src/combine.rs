//! Several rewards as one number.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// How weighted rewards of one group become one score.
///
/// A group is the pictures of one prompt. `zscore` and `rank` put rewards of
/// different scale on one footing, but then a score has a meaning only within
/// its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// `Σ w·s`: raw scores, so the reward with the largest spread decides.
    #[default]
    Sum,
    /// `Σ w·(s - mean) / sd` with the group's population standard deviation. A
    /// reward that does not vary within the group contributes nothing.
    #[serde(rename = "zscore")]
    ZScore,
    /// `Σ w·r`, where `r` is 1 for the group's best and 0 for its worst; equal
    /// scores share their mean rank. A group of one has rank 1.
    Rank,
    /// The smallest `w·(s - mean) / sd`: a picture is as good as its worst reward.
    Min,
}

impl Combine {
    /// Every method.
    pub const ALL: [Combine; 4] = [Combine::Sum, Combine::ZScore, Combine::Rank, Combine::Min];

    /// The name used in records and options.
    pub fn id(self) -> &'static str {
        match self {
            Combine::Sum => "sum",
            Combine::ZScore => "zscore",
            Combine::Rank => "rank",
            Combine::Min => "min",
        }
    }

    /// One score per picture of a group from `parts`: for each reward its weight
    /// and its finite scores, all of the same length.
    pub fn combine(self, parts: &[(f64, &[f32])]) -> Vec<f32> {
        let count = parts.first().map_or(0, |(_, scores)| scores.len());
        let columns: Vec<Vec<f64>> = parts
            .iter()
            .map(|(weight, scores)| {
                let values = match self {
                    Combine::Sum => scores.iter().map(|&s| f64::from(s)).collect(),
                    Combine::ZScore | Combine::Min => standardised(scores),
                    Combine::Rank => ranks(scores),
                };
                values.into_iter().map(|value| weight * value).collect()
            })
            .collect();
        (0..count)
            .map(|index| {
                let values = columns.iter().map(|column| column[index]);
                match self {
                    Combine::Min => values.fold(f64::INFINITY, f64::min) as f32,
                    _ => values.sum::<f64>() as f32,
                }
            })
            .collect()
    }
}

fn standardised(scores: &[f32]) -> Vec<f64> {
    let count = scores.len() as f64;
    let mean = scores.iter().map(|&s| f64::from(s)).sum::<f64>() / count;
    let variance = scores.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / count;
    let sd = variance.sqrt();
    // Rounding alone must not be blown up to unit variance.
    let flat = sd <= 1e-9 * mean.abs().max(1e-30);
    scores.iter().map(|&s| if flat { 0.0 } else { (f64::from(s) - mean) / sd }).collect()
}

fn ranks(scores: &[f32]) -> Vec<f64> {
    let last = scores.len().saturating_sub(1) as f64;
    scores
        .iter()
        .map(|&score| {
            let below = scores.iter().filter(|&&other| other < score).count() as f64;
            let equal = scores.iter().filter(|&&other| other == score).count() as f64;
            if last == 0.0 { 1.0 } else { (below + (equal - 1.0) / 2.0) / last }
        })
        .collect()
}

impl fmt::Display for Combine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Combine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Combine::ALL.into_iter().find(|method| method.id() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("unknown combination '{text}'"))
                .with_hint("Combinations are sum, zscore, rank and min.")
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_method_by_hand() {
        let (a, b): (&[f32], &[f32]) = (&[1.0, 2.0, 3.0], &[10.0, 10.0, 40.0]);
        let parts = [(1.0, a), (0.5, b)];
        assert_eq!(Combine::Sum.combine(&parts), [6.0, 7.0, 23.0]);
        assert_eq!(Combine::Rank.combine(&parts), [0.125, 0.625, 1.5]);
        let z = Combine::ZScore.combine(&parts);
        let (za, zb) = (1.5f64.sqrt(), 0.5f64.sqrt());
        let close = |x: f32, y: f64| (f64::from(x) - y).abs() < 1e-6;
        assert!(close(z[0], -za - 0.5 * zb) && close(z[1], -0.5 * zb) && close(z[2], za + zb));
        let min = Combine::Min.combine(&parts);
        assert!(close(min[0], -za) && close(min[1], -0.5 * zb) && close(min[2], zb));
    }

    #[test]
    fn a_flat_reward_does_not_count() {
        let flat: &[f32] = &[0.3, 0.3, 0.3];
        let other: &[f32] = &[1.0, 3.0, 2.0];
        let z = Combine::ZScore.combine(&[(5.0, flat), (1.0, other)]);
        assert_eq!(z, Combine::ZScore.combine(&[(1.0, other)]));
        assert_eq!(Combine::Rank.combine(&[(1.0, &[0.5])]), [1.0]);
        assert!(Combine::Sum.combine(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn one_reward_keeps_its_order(scores in prop::collection::vec(-1f32..1.0, 1..30)) {
            for method in Combine::ALL {
                let combined = method.combine(&[(1.0, &scores)]);
                for (i, j) in (0..scores.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                    if scores[i] < scores[j] {
                        prop_assert!(combined[i] <= combined[j], "{method}");
                    }
                }
            }
        }

        #[test]
        fn order_of_pictures_does_not_matter(scores in prop::collection::vec(0f32..1.0, 2..20)) {
            let reversed: Vec<f32> = scores.iter().rev().copied().collect();
            for method in [Combine::Sum, Combine::Rank] {
                let mut back = method.combine(&[(2.0, &reversed)]);
                back.reverse();
                prop_assert_eq!(back, method.combine(&[(2.0, &scores)]));
            }
        }
    }
}
