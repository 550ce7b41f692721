//! The loop of a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hps_clip::tokenizer::Tokenizer;
use hps_core::{Error, ErrorKind, Result};

use super::architecture::open_clip_config;
use super::card::card;
use super::evaluation::Evaluator;
use super::examples::ExampleMaker;
use super::folder::{Folder, Manifest};
use super::observer::{TrainEvent, TrainObserver};
use super::options::{DataSource, RunOptions, RunSummary};
use super::speed::Speed;
use crate::checkpoint::{Best, Checkpoint, Progress, Sums, write_weights};
use crate::data::{Batch, Loader, LoaderOptions, Order};
use crate::durable;
use crate::log::{Evaluation, Metrics, Record, TrainingStep};
use crate::model::{ClipModel, Parameters};
use crate::optimiser::OptimiserState;
use crate::trainer::Trainer;

/// A run that has not begun.
pub struct Run {
    /// Where its files are.
    pub folder: Folder,
    /// How it goes.
    pub options: RunOptions,
    /// The layers.
    pub model: ClipModel,
    /// The weights to begin with; those that are trained are marked.
    pub parameters: Parameters,
    /// Turns prompts into tokens.
    pub tokenizer: Tokenizer,
    /// What is learned from.
    pub train: DataSource,
    /// What is measured on.
    pub validation: Option<DataSource>,
    /// What the resulting weights depend on, and the version of the program.
    pub manifest: Manifest,
    /// Facts for the model card: names and values.
    pub provenance: Vec<(String, String)>,
    /// The settings as TOML, for the model card.
    pub settings_text: String,
}

/// Trains until all steps are done or `stop` is set; goes on where an earlier call
/// with the same settings and folder ended.
///
/// Nobody else may work in the folder at the same time; locking it is up to the
/// caller.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] when the folder belongs to another run,
/// [`ErrorKind::NotFinite`] with step and comparisons when the loss is NaN,
/// [`ErrorKind::InvalidInput`] when there is nothing to learn from, and what reading
/// and writing files reports. What was saved before stays and can be resumed.
pub fn run(
    mut run: Run,
    stop: &AtomicBool,
    observer: &mut dyn TrainObserver,
) -> Result<RunSummary> {
    if run.train.data.comparisons.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "there is no usable comparison"));
    }
    run.folder.prepare(&run.manifest)?;
    let (progress, state) = resume(&run.folder, &mut run.parameters)?;
    let (records, events) = (run.folder.metrics(), run.folder.events());
    let metrics = Metrics::open(&records, &events, progress.step, seconds_since_1970())?;
    let empty = Parameters::empty();
    let parameters = std::mem::replace(&mut run.parameters, empty);
    let count = |(_, tensor): (&str, &candle_core::Tensor)| tensor.elem_count();
    observer.on_event(&TrainEvent::Started {
        step: progress.step,
        steps: run.options.schedule.steps,
        trained: parameters.trainable().map(count).sum(),
        parameters: parameters.iter().map(count).sum(),
    });
    let maker = ExampleMaker {
        tokenizer: run.tokenizer.clone(),
        label_smoothing: run.options.label_smoothing,
    };
    let trainer = Trainer::new(run.model.clone(), parameters, state);
    let (last, saved, speed) = (None, progress.step, Speed::new());
    Session { run, trainer, progress, metrics, maker, last, saved, speed, stop, observer }.train()
}

/// The last checkpoint, or the beginning.
fn resume(folder: &Folder, parameters: &mut Parameters) -> Result<(Progress, OptimiserState)> {
    match Checkpoint::open(&folder.checkpoint()) {
        Ok(checkpoint) => {
            let state = checkpoint.restore(parameters)?;
            Ok((checkpoint.progress().clone(), state))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Default::default()),
        Err(error) => Err(error),
    }
}

/// A run that goes on.
struct Session<'a> {
    run: Run,
    trainer: Trainer,
    progress: Progress,
    metrics: Metrics,
    maker: ExampleMaker,
    last: Option<Evaluation>,
    /// The step of the last checkpoint.
    saved: u64,
    speed: Speed,
    stop: &'a AtomicBool,
    observer: &'a mut dyn TrainObserver,
}

impl Session<'_> {
    fn train(mut self) -> Result<RunSummary> {
        let steps = self.run.options.schedule.steps;
        if self.progress.step >= steps && self.run.folder.last().exists() {
            return Ok(self.summary(true));
        }
        let mut loader = self.loader()?;
        while !self.stopped() {
            let step = self.progress.step;
            if self.evaluation_is_due() {
                self.evaluate()?;
            } else if due(step, self.run.options.checkpoint_every) && self.saved != step {
                self.save()?;
            } else if step >= steps {
                break;
            } else if let Some(batch) = loader.next() {
                self.step(batch)?;
            } else {
                break;
            }
        }
        self.finish()
    }

    /// Whether the weights are to be evaluated and have not been: an evaluation that
    /// was interrupted is made after the resume.
    fn evaluation_is_due(&self) -> bool {
        let RunOptions { evaluate_every, schedule, .. } = self.run.options;
        let step = self.progress.step;
        let due = due(step, evaluate_every) || step >= schedule.steps;
        self.run.validation.is_some() && due && self.progress.evaluated < step
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn loader(&self) -> Result<Loader> {
        let RunOptions { seed, batch_size, decode_threads, prefetch, .. } = self.run.options;
        let DataSource { data, pictures } = self.run.train.clone();
        let order = Order::new(seed, data.comparisons.len());
        let options = LoaderOptions { batch_size, threads: decode_threads, prefetch };
        Loader::new(data, pictures, order, self.progress.position, options)
    }

    /// Makes one step, with whatever of `batch` can be read.
    fn step(&mut self, batch: Batch) -> Result<()> {
        self.note_skipped(&batch)?;
        let began = Instant::now();
        let number = self.progress.step + 1;
        let data = &self.run.train.data;
        let indices: Vec<usize> = batch.samples.iter().map(|sample| sample.index).collect();
        let examples = self.maker.examples(data, batch.samples);
        let learning_rate = self.run.options.schedule.learning_rate(self.progress.step);
        let report = self.trainer.step(&examples, &self.run.options.step, learning_rate).map_err(
            |error| {
                let id = |index: &usize| data.comparisons.get(*index).map(|c| &*c.id);
                let ids: Vec<&str> = indices.iter().filter_map(id).collect();
                error.context(format_args!("step {number}, comparisons {}", ids.join(" ")))
            },
        )?;
        self.progress.step = number;
        self.progress.position = batch.end;
        self.progress.updates = self.trainer.state().updates;
        self.progress.seconds += began.elapsed().as_secs_f64();
        let images = examples.iter().map(|example| example.pictures.len()).sum();
        let sums = &mut self.progress.since_record;
        let means = self.speed.add(sums, &report, (examples.len(), images), learning_rate);
        self.observer.on_event(&TrainEvent::Step { step: number, means: &means });
        let RunOptions { log_every, schedule, .. } = self.run.options;
        if due(number, log_every) || number == schedule.steps {
            self.record(Some(means), None)?;
            self.progress.since_record = Sums::default();
            self.speed = Speed::new();
        }
        Ok(())
    }

    fn record(
        &mut self,
        train: Option<TrainingStep>,
        validation: Option<Evaluation>,
    ) -> Result<()> {
        let (step, time) = (self.progress.step, seconds_since_1970());
        self.metrics.append(&Record { step, time, train, validation })
    }

    /// Notes comparisons that cannot be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when there is no other: a whole batch is no
    /// accident.
    fn note_skipped(&mut self, batch: &Batch) -> Result<()> {
        for item in &batch.broken {
            if self.progress.skipped.insert(item.index, item.reason.clone()).is_none() {
                tracing::debug!(id = item.id, reason = item.reason, "skipped");
                self.observer.on_event(&TrainEvent::Skipped(item));
            }
        }
        let (true, Some(first)) = (batch.samples.is_empty(), batch.broken.first()) else {
            return Ok(());
        };
        let (step, count) = (self.progress.step + 1, batch.broken.len());
        let reason = &first.reason;
        let message =
            format!("step {step}: none of {count} comparisons can be read; the first: {reason}");
        Err(Error::new(ErrorKind::InvalidInput, message)
            .with_hint("Check data and pictures with `hps-loop data check`."))
    }

    /// Evaluates the weights, keeps them if they are the best, and notes the result.
    fn evaluate(&mut self) -> Result<()> {
        let Some(source) = &self.run.validation else { return Ok(()) };
        let options = &self.run.options.step;
        let evaluator = Evaluator {
            source,
            maker: &ExampleMaker { label_smoothing: 0.0, ..self.maker.clone() },
            batch_size: options.micro_batch,
            loss: options.loss,
        };
        let evaluation = match evaluator.evaluate(&self.trainer, self.stop, self.observer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        self.record(None, Some(evaluation))?;
        let (step, accuracy) = (self.progress.step, evaluation.accuracy);
        let best = self.progress.best.is_none_or(|best| accuracy > best.accuracy);
        self.progress.evaluated = step;
        self.last = Some(evaluation);
        let event = TrainEvent::Evaluated { step, evaluation: &evaluation, best };
        self.observer.on_event(&event);
        if best {
            self.write_best()?;
            self.progress.best = Some(Best { step, accuracy });
            // A checkpoint never is older than the best weights beside it.
            self.save()?;
        }
        Ok(())
    }

    fn write_best(&self) -> Result<()> {
        let format = self.run.options.weights_format;
        write_weights(&self.run.folder.best(), self.trainer.parameters(), format)
    }

    /// Writes a checkpoint. Records come first: those of a step that is in a checkpoint
    /// are never written again.
    fn save(&mut self) -> Result<()> {
        self.metrics.sync()?;
        let (folder, trainer) = (&self.run.folder, &self.trainer);
        folder.write_skipped(&self.run.train.data, &self.progress.skipped)?;
        let path = folder.checkpoint();
        Checkpoint::write(&path, &self.progress, trainer.parameters(), trainer.state())?;
        self.saved = self.progress.step;
        self.observer.on_event(&TrainEvent::Saved { step: self.saved });
        Ok(())
    }

    fn finish(mut self) -> Result<RunSummary> {
        let finished =
            self.progress.step >= self.run.options.schedule.steps && !self.evaluation_is_due();
        let folder = self.run.folder.clone();
        let format = self.run.options.weights_format;
        write_weights(&folder.last(), self.trainer.parameters(), format)?;
        let mut architecture = open_clip_config(self.run.model.config()).to_string();
        architecture.push('\n');
        durable::replace_with(&folder.architecture(), architecture.as_bytes())?;
        let card = card(&self.run, &self.progress, self.last.as_ref());
        durable::replace_with(&folder.card(), card.as_bytes())?;
        self.save()?;
        Ok(self.summary(finished))
    }

    fn summary(&self, finished: bool) -> RunSummary {
        let Progress { step, best, seconds, .. } = self.progress;
        let skipped = self.run.train.data.broken.len() + self.progress.skipped.len();
        RunSummary { step, finished, best, last: self.last, skipped, seconds }
    }
}

/// Whether something that happens every `every` steps happens after `step` steps.
fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

fn seconds_since_1970() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
