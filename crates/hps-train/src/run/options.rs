//! What a run is made of.

use std::sync::Arc;

use crate::checkpoint::{Best, WeightsFormat};
use crate::data::{Dataset, PictureSource};
use crate::log::Evaluation;
use crate::schedule::Schedule;
use crate::trainer::StepOptions;

/// Comparisons and their pictures.
#[derive(Clone)]
pub struct DataSource {
    /// The comparisons.
    pub data: Arc<Dataset>,
    /// Where their pictures come from.
    pub pictures: Arc<dyn PictureSource>,
}

/// How a run goes. Numbers of steps that say how often are 0 for never.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunOptions {
    /// Comparisons per step; at least 1.
    pub batch_size: usize,
    /// How a step is made.
    pub step: StepOptions,
    /// Learning rates, and how many steps there are.
    pub schedule: Schedule,
    /// Seed of the order of the data.
    pub seed: u64,
    /// How much of every label is spread over all pictures, in [0, 1].
    pub label_smoothing: f32,
    /// Steps between evaluations; there is one at the end in any case.
    pub evaluate_every: u64,
    /// Steps between checkpoints; there is one at the end in any case.
    pub checkpoint_every: u64,
    /// Steps between records.
    pub log_every: u64,
    /// The type of numbers in the weights that are written.
    pub weights_format: WeightsFormat,
    /// Threads that decode pictures.
    pub decode_threads: usize,
    /// Batches that are decoded ahead.
    pub prefetch: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Steps done.
    pub step: u64,
    /// Whether all steps are done; else it was interrupted.
    pub finished: bool,
    /// The best evaluation.
    pub best: Option<Best>,
    /// The last evaluation, where one was made since the start.
    pub last: Option<Evaluation>,
    /// Comparisons of the training data that were skipped: broken items of the file
    /// and comparisons whose pictures cannot be read.
    pub skipped: usize,
    /// Seconds of training over all starts.
    pub seconds: f64,
}
