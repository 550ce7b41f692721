//! How well rewards agree with people.
//!
//! [`evaluate`] takes comparisons and the scores of one or more rewards and gives,
//! for every [`Measure`] of a [`Metric`]: each reward's agreement with people, the
//! paired differences between rewards, how well one person agrees with the others,
//! and where the agreement comes from (by generator).
//!
//! # Invariants
//!
//! * All rewards are measured on the same comparisons: one with a picture that any
//!   reward could not score is skipped for all, and counted.
//! * Intervals and p-values depend on the seed alone, not on the number of threads.
//! * Only pictures of the same prompt are ever compared.

mod accuracy;
mod bootstrap;
mod evaluate;
mod generators;
mod human;
mod measure;

pub use accuracy::{PairCount, inversion_score, positions, strict_pairs};
pub use bootstrap::{Difference, Estimate, Resampling};
pub use evaluate::{Evaluation, MeasureResult, RewardScores, Skipped, evaluate};
pub use generators::{GeneratorPair, GeneratorResult};
pub use measure::{Measure, Metric};
