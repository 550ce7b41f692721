//! Generation into a folder that survives a crash and can be resumed.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hps_core::{ErrorKind, Event, Observer, Prompt, Result, SampleSpec, Warning};
use hps_store::{PromptDir, RunDir, SessionEnd};
use serde_json::json;

use crate::draw::group_scores;
use crate::pipeline::Pipeline;

pub use hps_store::{
    Existing, Failed, LOCK_WAIT, PromptResult, Ranked, RunManifest, RunOptions, RunStatus,
};

/// Where and how a run is written.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// The folder.
    pub out: PathBuf,
    /// What to do with a folder that is not empty.
    pub existing: Existing,
    /// How many pictures to keep per prompt; `None` keeps all.
    pub top: Option<usize>,
    /// What was set but changes no picture, for the manifest.
    pub settings: serde_json::Value,
    /// The time as the manifest shall show it.
    pub now: fn() -> Option<String>,
}

/// What came of one prompt.
#[derive(Clone, Debug)]
pub struct PromptOutcome {
    /// The prompt.
    pub prompt: Prompt,
    /// Its folder.
    pub dir: PathBuf,
    /// Its candidates in rank order, and its failures.
    pub result: PromptResult,
    /// Candidates that were there already.
    pub resumed: usize,
    /// Remarks about the prompt.
    pub warnings: Vec<Warning>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct GenerateOutcome {
    /// The prompts that were worked on, in order.
    pub prompts: Vec<PromptOutcome>,
    /// The manifest as it is on disk.
    pub manifest: RunManifest,
}

/// Draws the candidates of every prompt, scores and ranks them, and writes it all.
///
/// Every candidate is on disk before the next batch starts. After `cancel` was set
/// what is finished is ranked and written, and the manifest says `interrupted`.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] when the settings suit no picture of the model;
/// nothing is written then. [`ErrorKind::Conflict`] when the folder holds something
/// else or is in use, [`ErrorKind::Io`] when it cannot be written to. Candidates
/// that cannot be drawn are no error: they are in the outcome.
#[tracing::instrument(skip_all, fields(out = %options.out.display()))]
pub fn generate(
    pipeline: &mut Pipeline,
    prompts: &[Prompt],
    options: &GenerateOptions,
    cancel: &AtomicBool,
    progress: &mut dyn Observer,
) -> Result<GenerateOutcome> {
    let begun = Instant::now();
    if let Some(prompt) = prompts.first() {
        pipeline.check_settings(prompt)?;
    }
    let run_options =
        RunOptions { existing: options.existing, top: options.top, lock_wait: LOCK_WAIT };
    let run = RunDir::create(&options.out, run_options, manifest(pipeline, prompts, options)?)?;
    let mut outcomes = Vec::new();
    let mut nfe = 0;
    let mut status = RunStatus::Finished;
    for (index, prompt) in prompts.iter().enumerate() {
        let mut work = PromptWork { pipeline, cancel, progress, nfe: &mut nfe };
        let (outcome, finished) = work.run(&run, index, prompt)?;
        outcomes.push(outcome);
        if !finished {
            status = RunStatus::Interrupted;
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let manifest = run.finish(SessionEnd { status, nfe, seconds, finished: (options.now)() })?;
    Ok(GenerateOutcome { prompts: outcomes, manifest })
}

fn manifest(
    pipeline: &Pipeline,
    prompts: &[Prompt],
    options: &GenerateOptions,
) -> Result<RunManifest> {
    let model = pipeline.generator_info(true)?;
    let scorer = pipeline.scorer();
    let rewards = scorer.infos(true)?;
    let weights: Vec<f64> = scorer.rewards().map(|(_, weight)| weight).collect();
    let reward = match &rewards[..] {
        [reward] if scorer.is_single() => json!(reward),
        _ => json!({
            "combine": scorer.combine_method(), "parts": rewards, "weights": weights,
        }),
    };
    // One candidate's specification without what differs between candidates.
    let spec = pipeline.specs(&Prompt::from("")).into_iter().next();
    let parameters = spec.map_or(json!({}), |spec| {
        json!({
            "policy": "best_of_n",
            "negative_prompt": spec.negative_prompt,
            "width": spec.width,
            "height": spec.height,
            "num_inference_steps": spec.num_inference_steps,
            "guidance_scale": shortest(spec.guidance_scale),
            "scheduler": spec.scheduler,
            "eta": shortest(spec.eta),
        })
    });
    Ok(RunManifest {
        format: hps_store::MANIFEST_FORMAT,
        hps_loop_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "generate".to_owned(),
        status: RunStatus::Running,
        model,
        reward,
        parameters,
        settings: options.settings.clone(),
        prompts: prompts.to_vec(),
        seed: pipeline.seed(),
        best_of: pipeline.best_of(),
        nfe: 0,
        seconds: 0.0,
        started: (options.now)(),
        finished: None,
    })
}

/// The number whose shortest decimal form is that of `value`, so that JSON shows
/// 0.1 and not 0.10000000149.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

struct PromptWork<'a> {
    pipeline: &'a mut Pipeline,
    cancel: &'a AtomicBool,
    progress: &'a mut dyn Observer,
    nfe: &'a mut u64,
}

impl PromptWork<'_> {
    /// Works on one prompt; `false` if it was interrupted.
    fn run(
        &mut self,
        run: &RunDir,
        index: usize,
        prompt: &Prompt,
    ) -> Result<(PromptOutcome, bool)> {
        let specs = self.pipeline.specs(prompt);
        let mut dir = run.prompt(index, &specs)?;
        let completed = dir.completed();
        let todo: Vec<SampleSpec> =
            specs.into_iter().filter(|spec| !completed.contains_key(&spec.candidate)).collect();
        let warnings = self.pipeline.scorer().check_prompt(prompt);
        let started = Event::PromptStarted { index, prompt, candidates: todo.len() };
        self.progress.on_event(&started)?;
        let mut finished = self.draw(&mut dir, &todo, &warnings)?;
        if !self.pipeline.scorer().is_single() {
            self.rescore(&mut dir)?;
            let risen = dir.lacking();
            finished = finished && self.draw(&mut dir, &risen, &warnings)?;
            self.rescore(&mut dir)?;
        }
        let path = dir.path().to_owned();
        let result = dir.finish()?;
        let best = result.ranked.first().map(|ranked| &ranked.candidate);
        self.progress.on_event(&Event::PromptFinished { index, best })?;
        let resumed = completed.len();
        let outcome =
            PromptOutcome { prompt: prompt.clone(), dir: path, result, resumed, warnings };
        Ok((outcome, finished))
    }

    /// Draws and stores candidates; `false` if it was interrupted.
    fn draw(
        &mut self,
        dir: &mut PromptDir,
        specs: &[SampleSpec],
        warnings: &[Warning],
    ) -> Result<bool> {
        let progress = &mut *self.progress;
        let mut recorder = Recorder { dir, warnings, progress, nfe: self.nfe };
        match self.pipeline.draw(specs, self.cancel, &mut recorder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Combines several rewards over the whole group.
    fn rescore(&self, dir: &mut PromptDir) -> Result<()> {
        dir.rescore(|candidates| group_scores(self.pipeline.scorer(), candidates))
    }
}

/// Stores what is finished, then passes it on.
struct Recorder<'a> {
    dir: &'a mut PromptDir,
    warnings: &'a [Warning],
    progress: &'a mut dyn Observer,
    nfe: &'a mut u64,
}

impl Observer for Recorder<'_> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::CandidateFinished { candidate, image } => {
                *self.nfe += candidate.nfe;
                self.dir.store(candidate, self.warnings, image)?;
            }
            Event::CandidateFailed { spec, error } => self.dir.store_failure(spec, error)?,
            _ => {}
        }
        self.progress.on_event(event)
    }
}
