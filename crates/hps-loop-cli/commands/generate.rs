//! `hps-loop generate`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hps_loop::config::{Config, Override};
use hps_loop::generate::{Existing, GenerateOptions, RunStatus, generate};
use hps_loop::{BUNDLED_GENERATOR, Event, Observer, Pipeline, Prompt, SampleOptions, Seed};
use serde_json::json;

use super::context;
use crate::args::{Generate, GenerateFormat, Global};
use crate::exit::Exit;
use crate::output;
use crate::progress::{Progress, Spinner};
use crate::{inputs, interrupt};

/// Draws, scores and ranks.
///
/// # Errors
///
/// When settings are wrong, models are missing, or the folder cannot be used.
pub fn run(global: &Global, args: &Generate) -> anyhow::Result<Exit> {
    let config = context::load(global, overrides(args))?.config;
    let prompts = inputs::prompts(&args.prompt, args.prompts.as_deref())?;
    context::start_threads(&config)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let models = context::models(global, &config, &cancel)?;
    let spinner = Spinner::new(global, "loading models");
    let batch_size = context::batch_size(config.generate.batch_size, config.device, 4);
    let builder = Pipeline::builder()
        .model(&config.generate.model)
        .best_of(config.generate.best_of)
        .seed(Seed(config.generate.seed))
        .batch_size(batch_size)
        .options(sample_options(&config, args))
        .device(config.device)
        .precision(config.precision)
        .models(models.clone());
    let scorer = context::scorer(&config, &config.generate.reward, &args.reward, &models)?;
    let mut pipeline = builder.scorer(scorer).build()?;
    spinner.finish();
    // Until here there is nothing to keep, and Ctrl-C simply ends the program.
    interrupt::watch(&cancel)?;

    let options = GenerateOptions {
        out: args.out.clone().unwrap_or_else(|| default_out(&config, &prompts)),
        existing: match (args.resume, args.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        },
        top: args.top,
        settings: json!({
            "batch_size": batch_size,
            "device": config.device.to_string(),
            "threads": config.threads,
        }),
        now,
    };
    let steps = pipeline.specs(&prompts[0]).first().map_or(0, |spec| spec.num_inference_steps);
    let total = u64::from(steps) * u64::from(config.generate.best_of) * prompts.len() as u64;
    let mut observer = Bar::new(Progress::new(global, "steps", total), steps, &config);
    let outcome = generate(&mut pipeline, &prompts, &options, &cancel, &mut observer);
    observer.progress.finish();
    let outcome = outcome?;

    let factor = pipeline.scorer().display_factor();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        GenerateFormat::Table => output::write_ranking(&mut out, &outcome, factor)?,
        GenerateFormat::Json => output::write_ranking_json(&mut out, &outcome)?,
    }
    out.flush()?;
    if !global.quiet {
        report(&outcome, &options, &config);
    }
    let drawn = outcome.prompts.iter().filter(|prompt| !prompt.result.ranked.is_empty()).count();
    let failed = outcome.prompts.iter().any(|prompt| !prompt.result.failed.is_empty());
    Ok(if outcome.manifest.status == RunStatus::Interrupted {
        Exit::Interrupted
    } else if failed || drawn < prompts.len() {
        Exit::SomeFailed
    } else {
        Exit::Success
    })
}

fn overrides(args: &Generate) -> Vec<Override> {
    let mut list = context::reward_overrides(&args.reward, "generate");
    let mut set = |key: &str, value: Option<String>, flag: &str| {
        context::push(&mut list, &format!("generate.{key}"), value.as_ref(), flag);
    };
    let text = |value: &Option<u32>| value.map(|value| value.to_string());
    set("model", args.model.clone(), "--model");
    set("best-of", text(&args.best_of), "--best-of");
    set("seed", args.seed.map(|seed| seed.to_string()), "--seed");
    set("num-inference-steps", text(&args.num_inference_steps), "--num-inference-steps");
    set("guidance-scale", args.guidance_scale.map(|w| w.to_string()), "--guidance-scale");
    set("negative-prompt", args.negative_prompt.clone(), "--negative-prompt");
    set("scheduler", args.scheduler.clone(), "--scheduler");
    set("width", text(&args.width), "--width");
    set("height", text(&args.height), "--height");
    set("batch-size", args.batch_size.map(|size| size.to_string()), "--batch-size");
    list
}

fn sample_options(config: &Config, args: &Generate) -> SampleOptions {
    let generate = &config.generate;
    SampleOptions {
        negative_prompt: generate.negative_prompt.as_deref().map(Prompt::from),
        width: generate.width,
        height: generate.height,
        num_inference_steps: generate.num_inference_steps,
        guidance_scale: generate.guidance_scale,
        scheduler: generate.scheduler.clone(),
        eta: args.eta,
    }
}

/// `out/<UTC time>-<prompt>`, with a number behind it where that is taken.
fn default_out(config: &Config, prompts: &[Prompt]) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let name = format!("{time}-{}", prompts[0].slug(48));
    let numbered = (2..1000).map(|number| format!("{name}-{number}"));
    let mut paths = std::iter::once(name.clone()).chain(numbered);
    let free = paths.find(|name| !config.generate.out.join(name).exists());
    config.generate.out.join(free.unwrap_or(name))
}

fn now() -> Option<String> {
    Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn report(
    outcome: &hps_loop::generate::GenerateOutcome,
    options: &GenerateOptions,
    config: &Config,
) {
    let mut stderr = io::stderr().lock();
    for prompt in &outcome.prompts {
        for warning in &prompt.warnings {
            let _ = writeln!(stderr, "warning: {warning}");
        }
        for failed in &prompt.result.failed {
            let candidate = failed.spec.candidate;
            let _ = writeln!(stderr, "error: candidate {candidate}: {}", failed.error.message);
        }
    }
    if config.generate.model == BUNDLED_GENERATOR {
        let _ = writeln!(
            stderr,
            "note: the bundled demo models are not trained; their pictures and scores mean nothing"
        );
    }
    let out = options.out.display();
    let _ = match outcome.manifest.status {
        RunStatus::Interrupted => writeln!(
            stderr,
            "interrupted; what is finished is in {out}; go on with the same command and \
             `--out {out} --resume`"
        ),
        _ => writeln!(stderr, "wrote {out}"),
    };
}

/// Shows steps, and the best candidate so far.
struct Bar {
    progress: Progress,
    steps: u32,
    best_of: u32,
    best: Option<f32>,
}

impl Bar {
    fn new(progress: Progress, steps: u32, config: &Config) -> Self {
        Bar { progress, steps, best_of: config.generate.best_of, best: None }
    }
}

impl Observer for Bar {
    fn on_event(&mut self, event: &Event<'_>) -> hps_loop::Result<()> {
        match event {
            Event::PromptStarted { candidates, .. } => {
                let skipped = u64::from(self.best_of).saturating_sub(*candidates as u64);
                self.progress.skip(skipped * u64::from(self.steps));
                self.best = None;
            }
            Event::Step { spec, step, steps } => {
                self.progress.advance();
                let best = self.best.map_or(String::new(), |best| format!(", best {best:.4}"));
                let (candidate, n) = (spec.candidate + 1, self.best_of);
                self.progress
                    .message(format!("candidate {candidate}/{n}, step {step}/{steps}{best}"));
            }
            Event::CandidateFinished { candidate, .. } => {
                let score = candidate.score.value();
                self.best = Some(self.best.map_or(score, |best| best.max(score)));
            }
            _ => {}
        }
        Ok(())
    }
}
