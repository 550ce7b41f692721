//! From one comparison to the whole set: which mean is taken.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind};
use serde::Serialize;

use super::accuracy::{inversion_score, positions, strict_pairs};
use crate::data::Format;

/// Which accuracy is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// HPD v2's: [`Measure::Inversion`].
    Hpd,
    /// ImageReward's: [`Measure::StrictMacro`] and [`Measure::StrictMicro`].
    ImageReward,
}

/// A number between 0 and 1 that says how far a reward agrees with people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The mean of [`inversion_score`] over comparisons, as HPSv2's `ranking_acc`.
    Inversion,
    /// The mean of each comparison's share of correct strict pairs, as HPSv2 reports
    /// ImageReward's test set.
    StrictMacro,
    /// The share of correct strict pairs of all comparisons together, as ImageReward
    /// reports it.
    StrictMicro,
}

/// What one comparison adds to a measure: the measure is the sum of `correct` over
/// the sum of `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Agreement {
    pub(super) correct: f64,
    pub(super) total: f64,
}

impl Metric {
    /// The usual metric for data of this format.
    pub fn of(format: Format) -> Self {
        match format {
            Format::ImageReward => Metric::ImageReward,
            Format::HpdTrain | Format::HpdTest | Format::Plain => Metric::Hpd,
        }
    }

    /// Its measures, the principal one first.
    pub fn measures(self) -> &'static [Measure] {
        match self {
            Metric::Hpd => &[Measure::Inversion],
            Metric::ImageReward => &[Measure::StrictMacro, Measure::StrictMicro],
        }
    }

    /// The name used in options and reports.
    pub fn id(self) -> &'static str {
        match self {
            Metric::Hpd => "hpd",
            Metric::ImageReward => "imagereward",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Metric::Hpd, Metric::ImageReward]
            .into_iter()
            .find(|metric| metric.id() == text)
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, format!("unknown metric '{text}'"))
                    .with_hint("The metrics are hpd and imagereward.")
            })
    }
}

impl Measure {
    /// The name used in reports.
    pub fn id(self) -> &'static str {
        match self {
            Measure::Inversion => "inversion",
            Measure::StrictMacro => "strict_macro",
            Measure::StrictMicro => "strict_micro",
        }
    }

    /// The agreement of scores, larger is better, with ranks, smaller is better.
    /// `None` where the measure is not defined: fewer than two pictures, or for the
    /// strict ones no pair that people order.
    pub(super) fn agreement(self, scores: &[f32], rank: &[u32]) -> Option<Agreement> {
        match self {
            Measure::Inversion => self.of_ranks(&positions(scores), rank),
            Measure::StrictMacro | Measure::StrictMicro => {
                let count = strict_pairs(scores, rank);
                self.of_pairs(count.correct, count.pairs)
            }
        }
    }

    /// The same for a person's ranks, which may have ties.
    pub(super) fn person_agreement(self, person: &[u32], rank: &[u32]) -> Option<Agreement> {
        match self {
            Measure::Inversion => self.of_ranks(person, rank),
            Measure::StrictMacro | Measure::StrictMicro => {
                // Whole numbers up to 2^32 are exact in f64 but not in f32, so places
                // stand for them.
                let place =
                    |rank: &u32| -(person.iter().filter(|other| *other < rank).count() as f32);
                let scores: Vec<f32> = person.iter().map(place).collect();
                self.agreement(&scores, rank)
            }
        }
    }

    fn of_ranks(self, predicted: &[u32], rank: &[u32]) -> Option<Agreement> {
        inversion_score(predicted, rank).map(|correct| Agreement { correct, total: 1.0 })
    }

    fn of_pairs(self, correct: usize, pairs: usize) -> Option<Agreement> {
        if pairs == 0 {
            return None;
        }
        let (correct, total) = (correct as f64, pairs as f64);
        Some(match self {
            Measure::StrictMicro => Agreement { correct, total },
            _ => Agreement { correct: correct / total, total: 1.0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macro_and_micro_weigh_pairs_differently() {
        let micro = Measure::StrictMicro.agreement(&[3.0, 2.0, 1.0], &[1, 3, 2]);
        assert_eq!(micro, Some(Agreement { correct: 2.0, total: 3.0 }));
        let mean = Measure::StrictMacro.agreement(&[3.0, 2.0, 1.0], &[1, 3, 2]);
        assert_eq!(mean, Some(Agreement { correct: 2.0 / 3.0, total: 1.0 }));
        assert_eq!(Measure::StrictMacro.agreement(&[3.0, 2.0], &[1, 1]), None);
        let inversion = Measure::Inversion.agreement(&[3.0, 2.0], &[1, 1]);
        assert_eq!(inversion, Some(Agreement { correct: 1.0, total: 1.0 }));
    }

    #[test]
    fn ties_of_a_person() {
        let person =
            |measure: Measure| measure.person_agreement(&[1, 1, 4_000_000_000], &[1, 2, 3]);
        assert_eq!(person(Measure::Inversion), Some(Agreement { correct: 1.0, total: 1.0 }));
        assert_eq!(person(Measure::StrictMicro), Some(Agreement { correct: 2.0, total: 3.0 }));
    }

    #[test]
    fn metric_names_round_trip() {
        for metric in [Metric::Hpd, Metric::ImageReward] {
            assert_eq!(metric.to_string().parse::<Metric>().ok(), Some(metric));
        }
        assert!("accuracy".parse::<Metric>().is_err());
    }
}
