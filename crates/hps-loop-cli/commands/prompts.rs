//! `hps-loop prompts`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use hps_loop::prompts::{
    self, CleanEnd, CleanMethod, CleanObserver, CleanOptions, CleanOutcome, CleanRecord, Entry,
    PromptFormat, RuleSet, StyleReport, StyleWord, StyleWordOptions,
};
use hps_loop::{Error, ErrorKind};
use serde_json::json;

use super::context;
#[cfg(feature = "endpoint")]
use super::prompt_endpoint;
use crate::args::{
    Global, PromptInput, Prompts, PromptsClean, PromptsStats, StatsFormat, StatsSort, TextOrJson,
};
use crate::exit::Exit;
use crate::interrupt;
use crate::output;
use crate::progress::Progress;

/// Runs a subcommand of `prompts`.
///
/// # Errors
///
/// Whatever keeps it from running at all.
pub fn run(global: &Global, command: &Prompts) -> anyhow::Result<Exit> {
    match command {
        Prompts::Stats(args) => stats(global, args),
        Prompts::Clean(args) if args.list_rules => list_rules(args),
        Prompts::Clean(args) => clean(global, args),
    }
}

fn read(path: &Path, input: &PromptInput) -> anyhow::Result<Vec<Entry>> {
    let format = input.input_format.as_deref().map(str::parse::<PromptFormat>).transpose()?;
    Ok(prompts::read_prompts(path, format, &input.column)?)
}

fn stats(global: &Global, args: &PromptsStats) -> anyhow::Result<Exit> {
    let entries = read(&args.file, &args.input)?;
    // The format of one file says nothing about the other.
    let plain = args.against.as_deref();
    let plain =
        plain.map(|path| prompts::read_prompts(path, None, &args.input.column)).transpose()?;
    let options = StyleWordOptions {
        max_words: args.words.into(),
        min_count: args.min_count,
        prior: args.prior,
    };
    let mut report = StyleReport::new(&entries, plain.as_deref(), options)?;
    let by =
        |key: fn(&StyleWord) -> f64| move |a: &StyleWord, b: &StyleWord| key(b).total_cmp(&key(a));
    // Stable, so that equal ones stay in the order of z.
    match args.sort {
        StatsSort::Z => {}
        StatsSort::LogOdds => report.ngrams.sort_by(by(|word| word.log_odds.log_odds)),
        StatsSort::Count => report.ngrams.sort_by(by(|word| word.count as f64)),
    }
    if args.top > 0 {
        report.ngrams.truncate(args.top);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        StatsFormat::Table => output::write_style_words(&mut out, &report)?,
        StatsFormat::Csv => output::write_style_words_csv(&mut out, &report)?,
        StatsFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    let broken = entries.iter().filter_map(|entry| entry.prompt.as_ref().err());
    tell_errors(global, broken.map(|error| error.message().to_owned()));
    Ok(if report.broken > 0 { Exit::SomeFailed } else { Exit::Success })
}

fn rules(args: &PromptsClean) -> anyhow::Result<RuleSet> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("cannot read rules from {}", path.display()))
    };
    let text = args.rules.as_deref().map(read).transpose()?;
    let text = text.as_deref().unwrap_or_else(|| RuleSet::bundled_toml());
    Ok(RuleSet::parse_without(text, &args.keep)?)
}

fn list_rules(args: &PromptsClean) -> anyhow::Result<Exit> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        _ if args.toml => out.write_all(RuleSet::bundled_toml().as_bytes())?,
        TextOrJson::Table => output::write_rules(&mut out, rules(args)?.rules())?,
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut out, rules(args)?.rules())?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn method(global: &Global, args: &PromptsClean) -> anyhow::Result<CleanMethod> {
    #[cfg(feature = "endpoint")]
    if let Some(method) = prompt_endpoint::method(global, &args.endpoint)? {
        return Ok(method);
    }
    // Without endpoints nothing here depends on them.
    let _ = global;
    Ok(CleanMethod::Rules(rules(args)?))
}

fn clean(global: &Global, args: &PromptsClean) -> anyhow::Result<Exit> {
    let config = context::load(global, Vec::new())?.config;
    context::start_threads(&config)?;
    let Some(file) = args.file.as_deref() else { anyhow::bail!("there is no file of prompts") };
    let method = method(global, args)?;
    let out = args.out.as_deref().filter(|out| *out != Path::new("-"));
    refuse_same_file(file, out)?;
    let entries = read(file, &args.input)?;
    let cancel = Arc::new(AtomicBool::new(false));
    interrupt::watch(&cancel)?;
    let options = CleanOptions {
        out,
        overwrite: args.overwrite,
        retry_failed: args.retry_failed,
        cancel: &cancel,
    };
    let mut shown = Shown(Progress::new(global, "prompts", entries.len() as u64));
    let outcome = prompts::clean(&entries, &method, &options, &mut shown);
    shown.0.finish();
    let outcome = outcome?;
    print(args, &outcome, out.is_some())?;
    tell_errors(global, outcome.records.iter().filter_map(failure));
    if !global.quiet {
        summary(args, &entries, &outcome)?;
    }
    let failed = outcome.records.iter().any(|record| record.error.is_some());
    Ok(match outcome.end {
        CleanEnd::Interrupted => Exit::Interrupted,
        CleanEnd::Done if !failed => Exit::Success,
        CleanEnd::Done | CleanEnd::Budget => Exit::SomeFailed,
    })
}

/// Cleaning a file into itself would lose the originals.
fn refuse_same_file(file: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match (real(file), out.and_then(real)) {
        (Some(file), Some(out)) if file == out => {
            let message = "--out is the file of prompts itself";
            Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("Name another file with --out.")
                .into())
        }
        _ => Ok(()),
    }
}

/// Records go to standard output unless they are in a file; then the counts do.
fn print(args: &PromptsClean, outcome: &CleanOutcome, in_file: bool) -> anyhow::Result<()> {
    let words = || prompts::cleaned_words(&outcome.records, args.top);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if !in_file {
        for record in &outcome.records {
            serde_json::to_writer(&mut out, record)?;
            writeln!(out)?;
        }
        out.flush()?;
        return Ok(());
    }
    match args.format {
        TextOrJson::Table => output::write_cleaned_words(&mut out, &words())?,
        TextOrJson::Json => {
            let count = |which: fn(&CleanRecord) -> bool| {
                outcome.records.iter().filter(|record| which(record)).count()
            };
            let report = json!({
                "prompts": outcome.records.len(),
                "changed": count(CleanRecord::changed),
                "failed": count(|record| record.error.is_some()),
                "ngrams": words(),
            });
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn summary(args: &PromptsClean, entries: &[Entry], outcome: &CleanOutcome) -> anyhow::Result<()> {
    let records = &outcome.records;
    let mut stderr = io::stderr().lock();
    if args.out.is_none() {
        output::write_cleaned_words(&mut stderr, &prompts::cleaned_words(records, args.top))?;
    }
    let changed = records.iter().filter(|record| record.changed()).count();
    let failed = records.iter().filter(|record| record.error.is_some()).count();
    let same = records.len() - changed - failed;
    writeln!(stderr, "{changed} prompts changed, {same} stay as they are, {failed} failed")?;
    #[cfg(feature = "endpoint")]
    prompt_endpoint::write_cost(&mut stderr, &args.endpoint, records)?;
    let left = entries.len() - records.len();
    match outcome.end {
        CleanEnd::Done => {}
        CleanEnd::Budget => writeln!(
            stderr,
            "the tokens are spent, {left} prompts are left; go on with a larger --max-tokens-total"
        )?,
        CleanEnd::Interrupted if args.out.is_some() => {
            writeln!(stderr, "interrupted, {left} prompts are left; the same command goes on")?;
        }
        CleanEnd::Interrupted => writeln!(stderr, "interrupted, {left} prompts are left")?,
    }
    Ok(())
}

/// What went wrong with a prompt, and where it stands; a line that is no prompt says so
/// itself.
fn failure(record: &CleanRecord) -> Option<String> {
    let message = &record.error.as_ref()?.message;
    Some(match record.original {
        Some(_) => format!("line {}: {message}", record.line),
        None => message.clone(),
    })
}

/// Errors that are shown one by one; the rest is counted.
const SHOWN_ERRORS: usize = 5;

fn tell_errors(global: &Global, errors: impl Iterator<Item = String>) {
    if global.quiet {
        return;
    }
    // Nothing can be done when standard error is closed.
    let mut stderr = io::stderr().lock();
    let mut count = 0;
    for error in errors {
        count += 1;
        if count <= SHOWN_ERRORS {
            let _ = writeln!(stderr, "error: {error}");
        }
    }
    if count > SHOWN_ERRORS {
        let _ = writeln!(stderr, "error: and {} more", count - SHOWN_ERRORS);
    }
}

/// Shows how far it is.
struct Shown(Progress);

impl CleanObserver for Shown {
    fn resumed(&mut self, count: usize) {
        self.0.skip(count as u64);
    }

    fn finished(&mut self, _record: &CleanRecord) {
        self.0.advance();
    }

    fn retry(&mut self, why: &str, delay: Duration) {
        tracing::info!(?delay, "{why}; trying again");
        self.0.message(format!("{why}; trying again in {:.0} s", delay.as_secs_f64().ceil()));
    }
}
