//! `hps-loop train`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hps_loop::train::{self, Evaluation, RunSummary, TrainConfig, TrainEvent, TrainObserver};
use serde_json::json;

use super::context;
use crate::args::{Global, ReportFormat, Train};
use crate::exit::Exit;
use crate::interrupt;
use crate::progress::Progress;

/// Skipped comparisons that are shown one by one; the rest is counted.
const SHOWN_SKIPPED: usize = 5;

/// Trains as a file says.
///
/// # Errors
///
/// When settings, data or weights are wrong, the loss is NaN, or a file cannot be
/// written.
pub fn run(global: &Global, args: &Train) -> anyhow::Result<Exit> {
    let settings = context::load(global, Vec::new())?.config;
    context::start_threads(&settings)?;
    let mut config = TrainConfig::read(&args.file, &args.settings)?;
    if let Some(steps) = args.steps {
        (config.run.steps, config.run.epochs) = (Some(steps), None);
    }
    let out = folder(args, &config);
    let stop = Arc::new(AtomicBool::new(false));
    interrupt::watch(&stop)?;
    let mut display = Display { global, out: &out, progress: None, skipped: 0 };
    let result = train::train(&config, &out, &stop, &mut display);
    display.finish();
    let summary = result?;
    print(args.format, &out, &summary)?;
    Ok(match (summary.finished, summary.skipped) {
        (false, _) => Exit::Interrupted,
        (true, 0) => Exit::Success,
        (true, _) => Exit::SomeFailed,
    })
}

fn folder(args: &Train, config: &TrainConfig) -> PathBuf {
    let named = args.out.clone().or_else(|| config.run.out.clone());
    named.unwrap_or_else(|| {
        let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
        Path::new("out").join(format!("train-{name}"))
    })
}

/// Shows on standard error what a run reports.
struct Display<'a> {
    global: &'a Global,
    out: &'a Path,
    progress: Option<Progress>,
    skipped: usize,
}

impl Display<'_> {
    /// A line above the progress.
    fn say(&self, text: &str) {
        if !self.global.quiet {
            Progress::print(text);
        }
    }

    fn finish(&self) {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
        if self.skipped > SHOWN_SKIPPED {
            let more = self.skipped - SHOWN_SKIPPED;
            let file = self.out.join("skipped.jsonl");
            self.say(&format!("skipped {more} more comparisons, see {}", file.display()));
        }
    }

    fn evaluated(&self, step: u64, evaluation: &Evaluation, best: bool) {
        let Evaluation { accuracy, pairs, loss, .. } = evaluation;
        let accuracy = 100.0 * accuracy;
        let best = if best { ", the best so far" } else { "" };
        self.say(&format!(
            "step {step}: {accuracy:.2} % of {pairs} validation pairs, loss {loss:.4}{best}"
        ));
    }
}

impl TrainObserver for Display<'_> {
    fn on_event(&mut self, event: &TrainEvent<'_>) {
        match event {
            TrainEvent::Started { step, steps, trained, parameters } => {
                let (trained, parameters) = (*trained as f64 / 1e6, *parameters as f64 / 1e6);
                let begin = if *step == 0 { "training" } else { "going on with" };
                let at = if *step == 0 { String::new() } else { format!(" after step {step}") };
                let out = self.out.display();
                self.say(&format!(
                    "{begin} {trained:.1} of {parameters:.1} million parameters in {out}{at}"
                ));
                let mut progress = Progress::new(self.global, "steps", *steps);
                progress.skip(*step);
                self.progress = Some(progress);
            }
            TrainEvent::Step { means, .. } => {
                if let Some(progress) = &mut self.progress {
                    let accuracy = 100.0 * means.accuracy;
                    let (loss, speed) = (means.loss, means.images_per_second);
                    progress.message(format!(
                        "loss {loss:.4}, {accuracy:.1} % of pairs, {speed:.1} images/s"
                    ));
                    progress.advance();
                }
            }
            TrainEvent::Skipped(item) => {
                self.skipped += 1;
                if self.skipped <= SHOWN_SKIPPED {
                    let id = item.id.as_deref().unwrap_or_default();
                    self.say(&format!("skipped comparison {id}: {}", item.reason));
                }
            }
            TrainEvent::Evaluated { step, evaluation, best } => {
                self.evaluated(*step, evaluation, *best);
            }
            _ => {}
        }
    }
}

fn print(format: ReportFormat, out: &Path, summary: &RunSummary) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let RunSummary { step, finished, best, last, skipped, seconds } = summary;
    if format == ReportFormat::Json {
        let report = json!({
            "out": out, "step": step, "finished": finished, "best": best, "last": last,
            "skipped": skipped, "seconds": seconds,
        });
        serde_json::to_writer_pretty(&mut stdout, &report)?;
        writeln!(stdout)?;
        return Ok(());
    }
    let end = if *finished { "done" } else { "interrupted" };
    writeln!(stdout, "{end} after {step} steps and {seconds:.1} s")?;
    if let Some(best) = best {
        let accuracy = 100.0 * best.accuracy;
        let file = out.join("best.safetensors");
        writeln!(stdout, "best: {accuracy:.2} % at step {}, {}", best.step, file.display())?;
    }
    writeln!(stdout, "last: {}", out.join("last.safetensors").display())?;
    if *skipped > 0 {
        writeln!(stdout, "skipped: {skipped} comparisons")?;
    }
    if !finished {
        writeln!(stdout, "type the same command to go on")?;
    }
    Ok(())
}
