//! How well a model agrees with people on validation data.

use std::sync::atomic::{AtomicBool, Ordering};

use hps_core::{Error, ErrorKind, Result};
use hps_nn::model_error;
use rayon::prelude::*;

use super::examples::ExampleMaker;
use super::observer::{TrainEvent, TrainObserver};
use super::options::DataSource;
use crate::data::Comparison;
use crate::eval::{PairCount, strict_pairs};
use crate::log::Evaluation;
use crate::loss::{LossKind, Target, batch_loss};
use crate::model::{Features, Tokens};
use crate::trainer::{Example, Trainer};

/// Everything about an evaluation but the model.
pub(super) struct Evaluator<'a> {
    pub(super) source: &'a DataSource,
    pub(super) maker: &'a ExampleMaker,
    /// Comparisons that are computed at a time.
    pub(super) batch_size: usize,
    pub(super) loss: LossKind,
}

impl Evaluator<'_> {
    /// Evaluates the model that is being trained, on all comparisons in file order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] after `stop` was set; what the model reports.
    pub(super) fn evaluate(
        &self,
        trainer: &Trainer,
        stop: &AtomicBool,
        observer: &mut dyn TrainObserver,
    ) -> Result<Evaluation> {
        let comparisons = &self.source.data.comparisons;
        let (mut count, mut loss, mut used) = (PairCount::default(), 0.0, 0usize);
        let mut done = 0;
        for chunk in comparisons.chunks(self.batch_size.max(1)) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted, "the evaluation was stopped"));
            }
            let examples: Vec<Example> =
                chunk.par_iter().filter_map(|comparison| self.example(comparison)).collect();
            let part = self.part(trainer, &examples)?;
            count.correct += part.0.correct;
            count.pairs += part.0.pairs;
            loss += part.1;
            used += examples.len();
            done += chunk.len();
            observer.on_event(&TrainEvent::Evaluating { done, total: comparisons.len() });
        }
        Ok(Evaluation {
            accuracy: count.accuracy().unwrap_or_default(),
            pairs: count.pairs,
            loss: loss / used.max(1) as f64,
            skipped: comparisons.len() - used,
        })
    }

    /// The example of a comparison, unless one of its pictures cannot be read.
    fn example(&self, comparison: &Comparison) -> Option<Example> {
        let load = |image: &std::sync::Arc<str>| self.source.pictures.load(image);
        let pictures = comparison.images.iter().map(load).collect::<Result<Vec<_>>>();
        match pictures {
            Ok(pictures) => Some(self.maker.example(comparison, pictures)),
            Err(error) => {
                tracing::debug!(id = &*comparison.id, %error, "skipped in the evaluation");
                None
            }
        }
    }

    /// Pairs and the sum of losses.
    fn part(&self, trainer: &Trainer, examples: &[Example]) -> Result<(PairCount, f64)> {
        let (model, parameters) = (trainer.model(), trainer.parameters());
        let pictures: Vec<&[f32]> =
            examples.iter().flat_map(|e| e.pictures.iter().map(Vec::as_slice)).collect();
        let prompts: Vec<Tokens<'_>> =
            examples.iter().map(|e| Tokens { ids: &e.ids, end: e.end }).collect();
        let features = Features {
            images: model.images(parameters, &pictures).map_err(model_error)?,
            texts: model.texts(parameters, &prompts).map_err(model_error)?,
        };
        let targets: Vec<Target> = examples.iter().map(|e| e.target.clone()).collect();
        let scale = model.logit_scale(parameters).map_err(model_error)?;
        let loss = batch_loss(&features, &targets, scale, self.loss, 1.0)?;
        let mut count = PairCount::default();
        for (cosines, target) in loss.cosines.iter().zip(&targets) {
            // As scores are: f32.
            let scores: Vec<f32> = cosines.iter().map(|&cosine| cosine as f32).collect();
            let part = strict_pairs(&scores, &target.ranks);
            count.correct += part.correct;
            count.pairs += part.pairs;
        }
        Ok((count, loss.losses.iter().sum()))
    }
}
