//! `hps-loop eval`.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hps_loop::config::Config;
use hps_loop::data::Dataset;
use hps_loop::eval::{
    self, DatasetScores, Evaluation, Metric, Resampling, ScoreCache, ScoreDatasetOptions,
};
use hps_loop::{DecodeOptions, Error, ErrorKind, ModelStore, RewardKind, StreamOptions};

use super::{context, data};
use crate::args::{Eval, EvalFormat, EvalMetric, Global, RewardArgs};
use crate::exit::Exit;
use crate::interrupt;
use crate::output::{self, EvalRecord};
use crate::progress::{Progress, Spinner};

/// Failures that are shown one by one; the rest is counted.
const SHOWN_FAILURES: usize = 5;

/// Scores the pictures of a file of comparisons and prints how often rewards agree
/// with people.
///
/// # Errors
///
/// When settings are wrong, weights are missing, the file has no comparison, or
/// standard output cannot be written to. Pictures that cannot be scored are skipped.
pub fn run(global: &Global, args: &Eval) -> anyhow::Result<Exit> {
    let kinds = rewards(&args.reward)?;
    let shared = args.reward_args();
    let mut overrides = context::reward_overrides(&shared, "score");
    context::push(&mut overrides, "score.batch-size", args.batch_size.as_ref(), "--batch-size");
    let config = context::load(global, overrides)?.config;
    context::check_flags(&args.reward.join(","), &shared)?;
    let threads = context::start_threads(&config)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let models = context::models(global, &config, &cancel)?;
    let data = data::read(global, &args.file, args.data_format.as_deref())?;
    if data.comparisons.is_empty() {
        return Err(nothing_usable(&data).into());
    }
    let metric = match args.metric {
        None => Metric::of(data.format),
        Some(EvalMetric::Hpd) => Metric::Hpd,
        Some(EvalMetric::ImageReward) => Metric::ImageReward,
    };
    let cache = args.scores.as_deref().map(ScoreCache::open).transpose()?;
    let stream = StreamOptions {
        decode: DecodeOptions::default(),
        batch_size: context::batch_size(config.score.batch_size, config.device, 8),
        decode_threads: threads,
        cancel: &cancel,
    };
    let options = ScoreDatasetOptions { images: &args.images, stream };
    let mut work = Work { global, config: &config, models: &models, data: &data, options, cache };
    let begun = Instant::now();
    let mut scores: Vec<DatasetScores> = Vec::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        scores.push(work.score(kind, &shared, (index == 0).then_some(&cancel))?);
    }
    let rewards: Vec<_> = scores.iter().map(|scores| scores.scores.clone()).collect();
    let resampling = Resampling { resamples: args.resamples, seed: args.seed };
    let spinner = Spinner::new(global, "computing intervals");
    let evaluation = eval::evaluate(&data.comparisons, &rewards, metric, resampling)?;
    spinner.finish();
    print(args, &data, &scores, &evaluation)?;
    if !global.quiet {
        summary(&data, &scores, &evaluation, begun.elapsed().as_secs_f64());
    }
    let failed = !data.broken.is_empty() || scores.iter().any(|scores| !scores.failures.is_empty());
    Ok(if failed { Exit::SomeFailed } else { Exit::Success })
}

/// The rewards by name, each once.
fn rewards(names: &[String]) -> hps_loop::Result<Vec<RewardKind>> {
    let mut kinds = Vec::new();
    for name in names {
        let kind: RewardKind =
            name.parse().map_err(|error: Error| match name.contains(['=', ',']) {
                true => error
                    .with_hint("Name each reward with a `--reward` of its own, without a weight."),
                false => error,
            })?;
        if kinds.contains(&kind) {
            let message = format!("reward {kind} is named twice");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

fn nothing_usable(data: &Dataset) -> Error {
    let first = data
        .broken
        .first()
        .map_or(String::new(), |broken| format!("; item {}: {}", broken.index, broken.reason));
    let message = format!("no item of the {} can be used{first}", data.items);
    Error::new(ErrorKind::InvalidInput, message)
        .with_hint("`hps-loop data check` shows what is wrong with each.")
}

/// What scoring with each reward needs.
struct Work<'a> {
    global: &'a Global,
    config: &'a Config,
    models: &'a ModelStore,
    data: &'a Dataset,
    options: ScoreDatasetOptions<'a>,
    cache: Option<ScoreCache>,
}

impl Work<'_> {
    /// Loads a reward, scores all pictures and drops it again: two rewards at once may
    /// be more than the memory holds. Ctrl-C is watched for with `watch`, once there is
    /// something to keep.
    fn score(
        &mut self,
        kind: RewardKind,
        shared: &RewardArgs,
        watch: Option<&Arc<AtomicBool>>,
    ) -> anyhow::Result<DatasetScores> {
        // Which flags belong to which reward has been checked for all together.
        let arch = shared.arch.iter().filter(|arch| !arch.contains('=')).cloned().collect();
        let args = RewardArgs { weights: Vec::new(), arch, ..shared.clone() };
        let builder = context::scorer(self.config, kind.id(), &args, self.models)?;
        let spinner = Spinner::new(self.global, format!("loading {kind}"));
        let scorer = builder.build()?;
        spinner.finish();
        if let Some(cancel) = watch {
            interrupt::watch(cancel)?;
        }
        let mut bar: Option<Progress> = None;
        let progress = |done: usize, all: usize| match &mut bar {
            None => {
                let new = Progress::new(self.global, "pictures", (all - done) as u64);
                new.message(kind.id());
                bar = Some(new);
            }
            Some(bar) => bar.advance(),
        };
        let cache = self.cache.as_mut();
        let result = eval::score_dataset(&scorer, self.data, &self.options, cache, progress);
        if let Some(bar) = bar {
            bar.finish();
        }
        match (result, &self.cache) {
            (Err(error), Some(cache)) if error.kind() == ErrorKind::Interrupted => {
                let kept = format!("{} scores are kept in {}", cache.len(), cache.path().display());
                Err(error.with_hint(format!("Type the command again to go on: {kept}.")).into())
            }
            (Err(error), None) if error.kind() == ErrorKind::Interrupted => {
                Err(error.with_hint("With `--scores FILE`, scores are kept.").into())
            }
            (result, _) => Ok(result?),
        }
    }
}

fn print(
    args: &Eval,
    data: &Dataset,
    scores: &[DatasetScores],
    evaluation: &Evaluation,
) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        EvalFormat::Text => output::write_evaluation(&mut out, evaluation)?,
        EvalFormat::Csv => output::write_evaluation_csv(&mut out, evaluation)?,
        EvalFormat::Json => {
            let record = EvalRecord::new(&args.file, data, scores, evaluation);
            serde_json::to_writer_pretty(&mut out, &record)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// What was skipped, for people.
fn summary(data: &Dataset, scores: &[DatasetScores], evaluation: &Evaluation, seconds: f64) {
    let mut stderr = io::stderr().lock();
    let failures =
        scores.iter().flat_map(|scores| scores.failures.iter().map(move |f| (scores, f)));
    let mut lines: Vec<String> =
        data.broken.iter().map(|b| format!("item {}: {}", b.index, b.reason)).collect();
    lines.extend(failures.map(|(scores, failure)| {
        let (reward, error) = (&scores.info.id, failure.error.full_message());
        format!("{reward}: {error}")
    }));
    for line in lines.iter().take(SHOWN_FAILURES) {
        let _ = writeln!(stderr, "skipped: {line}");
    }
    if lines.len() > SHOWN_FAILURES {
        let more = lines.len() - SHOWN_FAILURES;
        let _ = writeln!(stderr, "skipped: and {more} more; `--format json` has them all");
    }
    let skipped = evaluation.skipped;
    let left_out = [
        (data.broken.len(), "broken"),
        (skipped.unscored, "with pictures that cannot be scored"),
        (skipped.fewer_than_two_images, "with one picture only"),
    ];
    let left_out = left_out.iter().filter(|(count, _)| *count > 0);
    let left_out: String = left_out.map(|(count, what)| format!(", {count} {what}")).collect();
    let (used, items) = (evaluation.comparisons, data.items);
    let made: usize = scores.iter().map(|scores| scores.scored).sum();
    let reused: usize = scores.iter().map(|scores| scores.reused).sum();
    let _ = writeln!(stderr, "used {used} of {items} items{left_out}");
    let _ = writeln!(stderr, "scored {made} pictures, {reused} known before, in {seconds:.1} s");
}
