//! `hps-loop score`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::ValueEnum;
use hps_loop::config::Override;
use hps_loop::{
    DecodeOptions, Error, ErrorKind, Prompt, ScoreItem, ScoreOutcome, Scorer, StreamOptions,
    Warning, rank_descending,
};

use super::context;
use crate::args::{Global, Score, ScoreFormat};
use crate::exit::Exit;
use crate::inputs::{self, Input};
use crate::interrupt;
use crate::output::{self, RewardRecord, ScoreRecord, Values};
use crate::progress::{Progress, Spinner};

/// Warnings that are shown one by one; the rest is counted.
const SHOWN_WARNINGS: usize = 5;

/// Scores pictures and prints the results.
///
/// # Errors
///
/// When settings are wrong, weights are missing, or standard output cannot be
/// written to. Pictures that cannot be scored are results.
pub fn run(global: &Global, args: &Score) -> anyhow::Result<Exit> {
    let mut overrides = context::reward_overrides(&args.reward, "score");
    context::push(&mut overrides, "score.batch-size", args.batch_size.as_ref(), "--batch-size");
    if let Some(format) = args.format {
        let name = format.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
        overrides.push(Override::new("score.format", name, "--format"));
    }
    let config = context::load(global, overrides)?.config;
    let format = score_format(&config.score.format)?;
    let decode = DecodeOptions {
        apply_orientation: args.apply_orientation,
        background: args.background.as_deref().map(inputs::colour).transpose()?,
    };
    let threads = context::start_threads(&config)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let models = context::models(global, &config, &cancel)?;
    let builder = context::scorer(&config, &config.score.reward, &args.reward, &models)?;
    let inputs = match (&args.pairs, &args.prompt) {
        (Some(path), _) => inputs::pairs(path)?,
        (None, Some(prompt)) => inputs::images(&args.images, prompt)?,
        (None, None) => anyhow::bail!("there is no prompt; give one with --prompt"),
    };
    // An empty list must not pass a gate.
    anyhow::ensure!(!inputs.is_empty(), "there is nothing to score");
    let spinner = Spinner::new(global, "loading the reward");
    let scorer = builder.build()?;
    spinner.finish();
    // Until here there is nothing to keep, and Ctrl-C simply ends the program.
    interrupt::watch(&cancel)?;

    let mut work = Work::new(&scorer, inputs, format, args.top);
    work.quiet = global.quiet;
    let options = StreamOptions {
        decode,
        batch_size: config.score.batch_size.unwrap_or(8),
        decode_threads: threads,
        cancel: &cancel,
    };
    let begun = Instant::now();
    let interrupted = work.score(global, &options)?;
    let exit = work.print(args, interrupted)?;
    if !global.quiet {
        work.summary(begun.elapsed().as_secs_f64(), interrupted);
    }
    Ok(exit)
}

fn score_format(name: &str) -> hps_loop::Result<ScoreFormat> {
    ScoreFormat::from_str(name, true).map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, format!("unknown format '{name}'"))
            .with_hint("Formats are table, json, jsonl and csv.")
    })
}

struct Work<'a> {
    scorer: &'a Scorer,
    format: ScoreFormat,
    top: Option<usize>,
    ids: Vec<String>,
    /// What can be scored, in input order.
    items: Vec<ScoreItem>,
    /// One slot per input: the index into `items`, or a finished record.
    slots: Vec<Slot>,
    outcomes: Vec<Option<ScoreOutcome>>,
    records: Vec<ScoreRecord>,
    /// How many inputs there are.
    inputs: usize,
    quiet: bool,
}

enum Slot {
    Item(usize),
    Bad(String, Error),
}

impl<'a> Work<'a> {
    fn new(
        scorer: &'a Scorer,
        inputs: Vec<Input>,
        format: ScoreFormat,
        top: Option<usize>,
    ) -> Self {
        let mut items = Vec::new();
        let mut slots = Vec::new();
        for input in inputs {
            match input {
                Input::Item(item) => {
                    slots.push(Slot::Item(items.len()));
                    items.push(item);
                }
                Input::Bad(name, error) => slots.push(Slot::Bad(name, error)),
            }
        }
        let outcomes = items.iter().map(|_| None).collect();
        let ids = scorer.rewards().map(|(reward, _)| reward.info().id).collect();
        let inputs = slots.len();
        Work {
            scorer,
            format,
            top,
            ids,
            items,
            slots,
            outcomes,
            records: Vec::new(),
            inputs,
            quiet: false,
        }
    }

    /// Whether a result can be printed as soon as it is there.
    fn streams(&self) -> bool {
        self.format == ScoreFormat::Jsonl && self.scorer.is_single() && self.top.is_none()
    }

    /// Scores all items; `true` if it was interrupted.
    fn score(&mut self, global: &Global, options: &StreamOptions<'_>) -> anyhow::Result<bool> {
        let (scorer, streams) = (self.scorer, self.streams());
        // Results that scroll by on the terminal are progress enough.
        let quiet = global.quiet || (streams && io::stdout().is_terminal());
        let global = Global { quiet, ..global.clone() };
        let mut progress = Progress::new(&global, "pictures", self.items.len() as u64);
        let (items, outcomes) = (&self.items, &mut self.outcomes);
        let mut failed = 0;
        let mut written = Ok(());
        let done = scorer.score_files(items, options, |outcome| {
            progress.advance();
            if outcome.scores.is_err() {
                failed += 1;
                progress.message(format!("{failed} failed"));
            }
            let item = &items[outcome.index];
            if streams {
                let record = streamed(item, &outcome);
                written = output::write_jsonl_line(&mut io::stdout().lock(), &record);
                if written.is_err() {
                    return ControlFlow::Break(());
                }
            }
            let index = outcome.index;
            outcomes[index] = Some(outcome);
            ControlFlow::Continue(())
        });
        progress.finish();
        written?;
        let interrupted = match done {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => return Err(error.into()),
        };
        self.records = self.take_records();
        Ok(interrupted)
    }

    /// Combines the scores and makes one record per input that was reached.
    fn take_records(&mut self) -> Vec<ScoreRecord> {
        let mut prompts: Vec<&Prompt> = Vec::new();
        let mut rows = Vec::new();
        let mut details = BTreeMap::new();
        for (item, outcome) in self.items.iter().zip(std::mem::take(&mut self.outcomes)) {
            let Some(outcome) = outcome else { continue };
            let raw = outcome.scores.as_ref().ok().cloned().unwrap_or_default();
            details.insert(outcome.index, (rows.len(), raw, outcome.warnings));
            prompts.push(&item.prompt);
            rows.push(outcome.scores);
        }
        let mut combined: Vec<Option<Result<f32, Error>>> =
            self.scorer.combine(&prompts, rows).into_iter().map(Some).collect();
        let mut records = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            match slot {
                Slot::Bad(name, error) => {
                    records.push(ScoreRecord::new(name, None, Err(error), Vec::new()));
                }
                Slot::Item(index) => {
                    let Some((row, raw, warnings)) = details.remove(&index) else { continue };
                    let Some(score) = combined.get_mut(row).and_then(Option::take) else {
                        continue;
                    };
                    let item = &self.items[index];
                    let values = score.map(|score| Values::new(score, &self.ids, &raw));
                    records.push(ScoreRecord::new(
                        item.path.display().to_string(),
                        Some(item.prompt.to_string()),
                        values,
                        warnings,
                    ));
                }
            }
        }
        records
    }

    fn print(&self, args: &Score, interrupted: bool) -> anyhow::Result<Exit> {
        let chosen = match self.top {
            Some(top) => best_of_each_prompt(&self.records, top),
            None => self.records.iter().collect(),
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        match self.format {
            ScoreFormat::Table => {
                output::write_table(&mut out, self.scorer.display_factor(), &chosen)?;
                out.flush()?;
                if !self.quiet {
                    show_warnings(&chosen);
                }
            }
            ScoreFormat::Json => {
                let reward = RewardRecord::of(self.scorer)?;
                output::write_json(&mut out, &reward, &chosen, interrupted)?;
            }
            ScoreFormat::Jsonl if self.streams() => {
                // Items are printed already; inputs that never became one are not.
                for record in chosen.iter().filter(|record| record.prompt.is_none()) {
                    output::write_jsonl_line(&mut out, record)?;
                }
            }
            ScoreFormat::Jsonl => {
                for record in &chosen {
                    output::write_jsonl_line(&mut out, record)?;
                }
            }
            ScoreFormat::Csv => output::write_csv(&mut out, &self.ids, &chosen)?,
        }
        out.flush()?;
        let below = |record: &&ScoreRecord| {
            record.score().zip(args.threshold).is_some_and(|(score, gate)| score < gate)
        };
        let failed_gate = self.records.iter().filter(below).count();
        if let (Some(gate), true) = (args.threshold, failed_gate > 0) {
            let all = self.records.len();
            let _ = writeln!(
                io::stderr(),
                "{failed_gate} of {all} below the threshold {gate}, which is a raw score"
            );
        }
        Ok(if interrupted {
            Exit::Interrupted
        } else if failed_gate > 0 {
            Exit::GateFailed
        } else if self.records.iter().any(|record| record.score().is_none()) {
            Exit::SomeFailed
        } else {
            Exit::Success
        })
    }

    fn summary(&self, seconds: f64, interrupted: bool) {
        let failed = self.records.iter().filter(|record| record.score().is_none()).count();
        let scored = self.records.len() - failed;
        let pictures = if scored == 1 { "picture" } else { "pictures" };
        let mut text = format!("scored {scored} {pictures} in {seconds:.1} s");
        if failed > 0 {
            text.push_str(&format!(", {failed} failed"));
        }
        if interrupted {
            let left = self.inputs - self.records.len();
            text.push_str(&format!(", interrupted before {left} more"));
        }
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// The record of a single reward, before all others are known.
fn streamed(item: &ScoreItem, outcome: &ScoreOutcome) -> ScoreRecord {
    let values = match &outcome.scores {
        Ok(row) => Ok(Values::new(row.first().copied().unwrap_or(f32::NAN), &[], row)),
        Err(error) => Err(Error::new(error.kind(), error.full_message())),
    };
    let image = item.path.display().to_string();
    ScoreRecord::new(image, Some(item.prompt.to_string()), values, outcome.warnings.clone())
}

/// The `top` best records of each prompt, best first; prompts in input order. What
/// failed comes last: it must not vanish.
fn best_of_each_prompt<'a>(records: &'a [ScoreRecord], top: usize) -> Vec<&'a ScoreRecord> {
    let mut groups: Vec<Vec<&ScoreRecord>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        let Some(prompt) = record.prompt.as_deref() else { continue };
        let place = *places.entry(prompt).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(record);
    }
    let best = |group: &Vec<&'a ScoreRecord>| {
        let scores: Vec<Option<f32>> = group.iter().map(|record| record.score()).collect();
        let order = rank_descending(&scores).into_iter().filter(|&index| scores[index].is_some());
        order.take(top).map(|index| group[index]).collect::<Vec<_>>()
    };
    let failed = records.iter().filter(|record| record.score().is_none());
    groups.iter().flat_map(best).chain(failed).collect()
}

fn show_warnings(records: &[&ScoreRecord]) {
    let mut stderr = io::stderr().lock();
    let mut prompts = records.iter().filter_map(|record| record.prompt.as_deref());
    let first = prompts.next();
    if prompts.any(|prompt| Some(prompt) != first) {
        let _ = writeln!(stderr, "note: scores of different prompts do not compare");
    }
    let mut line = |image: &str, warning: &Warning| {
        let _ = writeln!(stderr, "warning: {image}: {warning}");
    };
    let all = records.iter().flat_map(|r| r.warnings().iter().map(|w| (r.image.as_str(), w)));
    let mut count = 0;
    for (image, warning) in all {
        count += 1;
        if count <= SHOWN_WARNINGS {
            line(image, warning);
        }
    }
    if count > SHOWN_WARNINGS {
        let more = count - SHOWN_WARNINGS;
        let _ = writeln!(stderr, "warning: and {more} more; `--format json` has them all");
    }
}
