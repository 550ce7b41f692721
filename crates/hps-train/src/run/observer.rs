//! What a run reports while it works.

use crate::data::BrokenItem;
use crate::log::{Evaluation, TrainingStep};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrainEvent<'a> {
    /// The first step is about to begin.
    Started {
        /// Steps done before; more than 0 after an interruption.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Values that are trained.
        trained: usize,
        /// Values in all.
        parameters: usize,
    },
    /// A step is done.
    Step {
        /// Steps done.
        step: u64,
        /// Means since the last record.
        means: &'a TrainingStep,
    },
    /// A comparison is skipped, for the first time.
    Skipped(&'a BrokenItem),
    /// Part of an evaluation is done.
    Evaluating {
        /// Comparisons done.
        done: usize,
        /// Comparisons in all.
        total: usize,
    },
    /// An evaluation is done.
    Evaluated {
        /// Steps done.
        step: u64,
        /// The result.
        evaluation: &'a Evaluation,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A checkpoint is on the disk.
    Saved {
        /// Steps done.
        step: u64,
    },
}

/// Somebody who wants to know.
pub trait TrainObserver {
    /// Called for every event, in order, from the thread that runs the loop.
    fn on_event(&mut self, event: &TrainEvent<'_>);
}

/// Nobody who wants to know.
impl TrainObserver for () {
    fn on_event(&mut self, _: &TrainEvent<'_>) {}
}
