//! Means and speed over the steps since the last record.

use std::time::Instant;

use crate::checkpoint::Sums;
use crate::log::TrainingStep;
use crate::trainer::StepReport;

/// How many pictures since when.
pub(super) struct Speed {
    began: Instant,
    images: usize,
}

impl Speed {
    pub(super) fn new() -> Self {
        Speed { began: Instant::now(), images: 0 }
    }

    /// Adds a step over `comparisons` with `images` pictures in all, and gives the
    /// means so far.
    pub(super) fn add(
        &mut self,
        sums: &mut Sums,
        report: &StepReport,
        (comparisons, images): (usize, usize),
        learning_rate: f64,
    ) -> TrainingStep {
        sums.loss += report.mean_loss * comparisons as f64;
        sums.comparisons += comparisons;
        sums.pairs += report.pairs;
        sums.correct += report.correct;
        self.images += images;
        TrainingStep {
            loss: sums.loss / sums.comparisons.max(1) as f64,
            accuracy: sums.correct as f64 / sums.pairs.max(1) as f64,
            learning_rate,
            gradient_norm: report.gradient_norm,
            logit_scale: f64::from(report.logit_scale),
            images_per_second: self.images as f64 / self.began.elapsed().as_secs_f64().max(1e-9),
        }
    }
}
