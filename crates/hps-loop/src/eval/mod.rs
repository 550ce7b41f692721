//! How often rewards agree with people.
//!
//! [`score_dataset`] gives every picture of a set of comparisons its score, through a
//! [`ScoreCache`] where there is one; [`evaluate`] compares the scores with what
//! people said.

mod cache;
mod score;

pub use cache::ScoreCache;
pub use hps_train::eval::{
    Difference, Estimate, Evaluation, GeneratorPair, GeneratorResult, Measure, MeasureResult,
    Metric, Resampling, RewardScores, Skipped, evaluate,
};
pub use score::{DatasetScores, ImageFailure, ScoreDatasetOptions, score_dataset};
