//! `hps-loop bench`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use hps_loop::bench::{
    self, BenchOptions, Case, ClipBench, Machine, Report, ScoreBench, ScoreReport,
};
use hps_loop::{ClipConfig, Precision};

use super::context;
use crate::args::{Bench, BenchRun, BenchScore, Global, TextOrJson};
use crate::exit::Exit;
use crate::inputs::{self, Input};
use crate::interrupt;
use crate::output::{Align, Table};
use crate::progress::Spinner;

/// Runs a benchmark and prints its numbers.
///
/// # Errors
///
/// When settings are wrong, or what is measured cannot run.
pub fn run(global: &Global, command: &Bench) -> anyhow::Result<Exit> {
    let cancel = Arc::new(AtomicBool::new(false));
    let run = match command {
        Bench::Score(args) => return score(global, args, &cancel),
        Bench::Gemm { run, .. } | Bench::Conv { run, .. } => run,
        Bench::Attention { run, .. } | Bench::Clip { run, .. } => run,
    };
    let config = context::load(global, Vec::new())?.config;
    context::start_threads(&config)?;
    hps_loop::open_device(hps_loop::DeviceSpec::Cpu)?;
    let precisions = precisions(run)?;
    interrupt::watch(&cancel)?;
    let options =
        BenchOptions { precisions: &precisions, runs: run.runs as usize, cancel: &cancel };
    let spinner = Spinner::new(global, "measuring");
    let mut show = |case: &Case| spinner.say(format!("{}, {} done", case.name, case.precision));
    let report = measure(command, &options, &mut show);
    spinner.finish();
    let report = report?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match run.format {
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        TextOrJson::Table => write_cases(&mut out, &report)?,
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn precisions(run: &BenchRun) -> anyhow::Result<Vec<Precision>> {
    let parsed: Result<_, _> = run.precision.iter().map(|text| text.parse()).collect();
    Ok(parsed?)
}

fn measure(
    command: &Bench,
    options: &BenchOptions<'_>,
    show: &mut dyn FnMut(&Case),
) -> anyhow::Result<Report> {
    Ok(match command {
        Bench::Gemm { shape, .. } => {
            // The four products of ViT-H/14's image tower for eight pictures.
            let usual =
                [[2056, 3840, 1280], [2056, 1280, 1280], [2056, 5120, 1280], [2056, 1280, 5120]];
            bench::gemm(chosen(shape, &usual), options, show)?
        }
        Bench::Conv { shape, .. } => {
            // The decoder's largest, and three of the UNet's.
            let usual =
                [[256, 256, 3, 256], [320, 320, 3, 64], [1280, 1280, 3, 16], [640, 320, 1, 64]];
            bench::conv(chosen(shape, &usual), options, show)?
        }
        Bench::Attention { shape, .. } => {
            // The UNet's over pixels and over text, and the image tower's.
            let usual = [[1, 8, 4096, 4096, 40], [1, 8, 4096, 77, 40], [8, 16, 257, 257, 80]];
            bench::attention(chosen(shape, &usual), options, show)?
        }
        Bench::Clip { batch, prompts, arch, .. } => {
            let config = match arch {
                Some(path) => read_arch(path)?,
                None => ClipConfig::vit_h_14(),
            };
            let what = ClipBench { config, batch: *batch, prompts: *prompts };
            bench::clip(&what, options, show)?
        }
        Bench::Score(_) => anyhow::bail!("not a benchmark of cases"),
    })
}

fn chosen<'a, T>(given: &'a [T], usual: &'a [T]) -> &'a [T] {
    if given.is_empty() { usual } else { given }
}

fn read_arch(path: &Path) -> anyhow::Result<ClipConfig> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(ClipConfig::from_open_clip(&text)?)
}

fn write_cases(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    write_machine(out, &report.machine)?;
    let right = Align::Right;
    let mut table = Table::new(&[
        ("case", Align::Left),
        ("precision", Align::Left),
        ("median", right),
        ("best", right),
        ("GFLOP/s", right),
        ("of peak", right),
        ("per s", right),
    ]);
    for case in &report.cases {
        table.row([
            case.name.clone(),
            case.precision.to_string(),
            seconds(case.median_s),
            seconds(case.min_s),
            format!("{:.0}", case.gflops),
            format!("{:.0} %", 100.0 * case.peak_share),
            case.items.map_or(String::new(), |n| format!("{:.2}", n as f64 / case.median_s)),
        ]);
    }
    table.write(out)?;
    write_memory(out, report.cases.iter().filter_map(|case| case.peak_rss_bytes).max())
}

fn write_machine(out: &mut dyn Write, machine: &Machine) -> io::Result<()> {
    let processor = machine.processor.as_deref().unwrap_or("unknown processor");
    let forced = if machine.forced { " (forced)" } else { "" };
    writeln!(out, "{processor}, {} threads, kernel {}{forced}", machine.threads, machine.kernel)?;
    let peaks = machine.peak_gflops.iter();
    let peaks: Vec<String> = peaks.map(|(of, gflops)| format!("{of} {gflops:.0}")).collect();
    writeln!(out, "peak GFLOP/s: {}\n", peaks.join(", "))
}

fn write_memory(out: &mut dyn Write, bytes: Option<u64>) -> io::Result<()> {
    match bytes {
        Some(bytes) => writeln!(out, "\npeak memory {} MiB", bytes >> 20),
        None => Ok(()),
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.2} ms", 1e3 * seconds) } else { format!("{seconds:.3} s") }
}

fn score(global: &Global, args: &BenchScore, cancel: &Arc<AtomicBool>) -> anyhow::Result<Exit> {
    let overrides = context::reward_overrides(&args.reward, "score");
    let config = context::load(global, overrides)?.config;
    context::start_threads(&config)?;
    let models = context::models(global, &config, cancel)?;
    let builder = context::scorer(&config, &config.score.reward, &args.reward, &models)?;
    let mut pictures = Vec::new();
    for input in inputs::images(&args.images, &args.prompt)? {
        match input {
            Input::Item(item) => pictures.push(item.path),
            Input::Bad(name, error) => return Err(anyhow::Error::new(error).context(name)),
        }
    }
    let what = ScoreBench {
        pictures,
        counts: args.counts.clone(),
        rounds: args.rounds,
        batch_size: args.batch_size,
        prompt: args.prompt.clone(),
    };
    interrupt::watch(cancel)?;
    let spinner = Spinner::new(global, "measuring");
    let report = bench::score(builder, &what, config.precision, cancel);
    spinner.finish();
    let report = report?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        TextOrJson::Table => write_score(&mut out, &report)?,
    }
    out.flush()?;
    Ok(Exit::Success)
}

fn write_score(out: &mut dyn Write, report: &ScoreReport) -> io::Result<()> {
    write_machine(out, &report.machine)?;
    let ScoreReport { precision, batch_size, load_s, first_score_s, .. } = report;
    writeln!(out, "precision {precision}, batches of {batch_size}")?;
    writeln!(out, "weights loaded after {load_s:.2} s, first score after {first_score_s:.2} s\n")?;
    let right = Align::Right;
    let mut table = Table::new(&[("pictures", right), ("median", right), ("pictures/s", right)]);
    for count in &report.counts {
        table.row([
            count.pictures.to_string(),
            seconds(count.median_s),
            format!("{:.3}", count.images_per_s),
        ]);
    }
    table.write(out)?;
    write_memory(out, report.peak_rss_bytes)
}
