//! One optimiser step.

use candle_core::Result as TensorResult;
use hps_core::{Error, ErrorKind, Result};
use hps_nn::model_error;

use crate::eval::strict_pairs;
use crate::loss::{BatchLoss, LossKind, Reduction, Target, batch_loss};
use crate::model::{ClipModel, Gradients, Inputs, Parameters, Tokens};
use crate::optimiser::{AdamW, OptimiserState};

/// The largest `logit_scale`: cosines are multiplied with at most 100.
const MAX_LOGIT_SCALE: f32 = 4.605_170_2;

/// A comparison as the model reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Token ids of the prompt.
    pub ids: Vec<u32>,
    /// The position of the end-of-text token.
    pub end: usize,
    /// Pictures of `3 * image_size * image_size` values, at least one.
    pub pictures: Vec<Vec<f32>>,
    /// What people said about them.
    pub target: Target,
}

/// How a step is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOptions {
    /// What the loss measures.
    pub loss: LossKind,
    /// How losses of a batch become one.
    pub reduction: Reduction,
    /// Comparisons computed at a time; at least 1. Bounds the memory and changes
    /// nothing but rounding: gradients are summed before the update.
    pub micro_batch: usize,
    /// Keep only the input of each block and compute the rest again.
    pub gradient_checkpointing: bool,
    /// The largest norm of all gradients together; larger ones are scaled to it.
    pub max_gradient_norm: Option<f64>,
    /// The optimiser.
    pub optimiser: AdamW,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The loss before the update, reduced.
    pub loss: f64,
    /// The mean loss of a comparison.
    pub mean_loss: f64,
    /// Pairs of pictures with different ranks.
    pub pairs: usize,
    /// Those of them that the model orders as people did.
    pub correct: usize,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// `logit_scale` after the update.
    pub logit_scale: f32,
}

/// A model that is being trained.
pub struct Trainer {
    model: ClipModel,
    parameters: Parameters,
    gradients: Gradients,
    state: OptimiserState,
}

impl Trainer {
    /// Starts from `parameters` and the optimiser's `state`, which may be new.
    pub fn new(model: ClipModel, parameters: Parameters, state: OptimiserState) -> Self {
        let gradients = Gradients::new(&parameters);
        Trainer { model, parameters, gradients, state }
    }

    /// The layers.
    pub fn model(&self) -> &ClipModel {
        &self.model
    }

    /// All tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The gradients of the last step.
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// The optimiser's state.
    pub fn state(&self) -> &OptimiserState {
        &self.state
    }

    /// Makes one update with all examples of `batch`. Without any nothing happens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFinite`] when the loss or a gradient is NaN or infinite: then
    /// no parameter has changed. [`ErrorKind::Model`] when an example does not fit
    /// the model.
    pub fn step(
        &mut self,
        batch: &[Example],
        options: &StepOptions,
        learning_rate: f64,
    ) -> Result<StepReport> {
        let mut report = self.compute_gradients(batch, options)?;
        if batch.is_empty() {
            return Ok(report);
        }
        let clip = match options.max_gradient_norm {
            // As torch's clip_grad_norm_.
            Some(max) => (max / (report.gradient_norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        self.update(&options.optimiser, learning_rate, clip).map_err(model_error)?;
        report.logit_scale = self.logit_scale()?;
        Ok(report)
    }

    fn update(&mut self, adamw: &AdamW, learning_rate: f64, clip: f64) -> TensorResult<()> {
        let rates = (learning_rate, clip);
        adamw.update(&mut self.state, &mut self.parameters, &self.gradients, rates)?;
        let scale = self.model.logit_scale(&self.parameters)?;
        let clamped = scale.clamp(0.0, MAX_LOGIT_SCALE);
        if clamped != scale {
            self.parameters.set_scalar("logit_scale", clamped)?;
        }
        Ok(())
    }

    fn logit_scale(&self) -> Result<f32> {
        self.model.logit_scale(&self.parameters).map_err(model_error)
    }

    /// Computes the gradients of a batch, without an update; they are in
    /// [`gradients`](Self::gradients) afterwards.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn compute_gradients(
        &mut self,
        batch: &[Example],
        options: &StepOptions,
    ) -> Result<StepReport> {
        let mut report = StepReport { logit_scale: self.logit_scale()?, ..StepReport::default() };
        self.gradients.clear();
        let weight = match options.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / batch.len().max(1) as f64,
        };
        let mut total = 0.0;
        for part in batch.chunks(options.micro_batch.max(1)) {
            let loss = self.add_gradients(part, options, weight)?;
            total += loss.losses.iter().sum::<f64>();
            for (cosines, example) in loss.cosines.iter().zip(part) {
                let scores: Vec<f32> = cosines.iter().map(|&cosine| cosine as f32).collect();
                let count = strict_pairs(&scores, &example.target.ranks);
                report.pairs += count.pairs;
                report.correct += count.correct;
            }
        }
        report.loss = weight * total;
        report.mean_loss = total / batch.len().max(1) as f64;
        report.gradient_norm = self.gradients.norm().map_err(model_error)?;
        if !report.gradient_norm.is_finite() {
            return Err(not_finite("the gradient", report.gradient_norm));
        }
        Ok(report)
    }

    fn add_gradients(
        &mut self,
        part: &[Example],
        options: &StepOptions,
        weight: f64,
    ) -> Result<BatchLoss> {
        let inputs = Inputs {
            pictures: part.iter().flat_map(|e| e.pictures.iter().map(Vec::as_slice)).collect(),
            prompts: part.iter().map(|e| Tokens { ids: &e.ids, end: e.end }).collect(),
        };
        let (features, tape) = self
            .model
            .forward(&self.parameters, &inputs, options.gradient_checkpointing)
            .map_err(model_error)?;
        let targets: Vec<Target> = part.iter().map(|example| example.target.clone()).collect();
        let scale = self.logit_scale()?;
        let loss = batch_loss(&features, &targets, scale, options.loss, weight)?;
        if let Some(wrong) = loss.losses.iter().find(|loss| !loss.is_finite()) {
            return Err(not_finite("the loss", *wrong));
        }
        self.model
            .backward(&self.parameters, &mut self.gradients, tape, &loss.gradients)
            .map_err(model_error)?;
        Ok(loss)
    }
}

fn not_finite(what: &str, value: f64) -> Error {
    Error::new(ErrorKind::NotFinite, format!("{what} is {value}"))
        .with_hint("Lower the learning rate, lengthen the warm-up or set a max-gradient-norm.")
}
