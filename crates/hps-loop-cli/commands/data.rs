//! `hps-loop data`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use hps_loop::data::{self, CheckOptions, CheckReport, Dataset, PictureCheck, ReadOptions};

use super::context;
use crate::args::{Data, DataCheck, Depth, Global, ReportFormat};
use crate::exit::Exit;
use crate::interrupt;
use crate::output;
use crate::progress::{Progress, Spinner};

/// Runs a subcommand of `data`.
///
/// # Errors
///
/// Whatever keeps it from running at all.
pub fn run(global: &Global, command: &Data) -> anyhow::Result<Exit> {
    match command {
        Data::Check(args) => check(global, args),
    }
}

/// Reads a file of comparisons in the format that `data_format` names, if any.
///
/// # Errors
///
/// When there is no such format, or the file is no file of comparisons.
pub fn read(global: &Global, file: &Path, data_format: Option<&str>) -> anyhow::Result<Dataset> {
    let format = data_format.map(str::parse).transpose()?;
    let spinner = Spinner::new(global, format!("reading {}", file.display()));
    let data = data::read(file, &ReadOptions { format })?;
    spinner.finish();
    Ok(data)
}

fn check(global: &Global, args: &DataCheck) -> anyhow::Result<Exit> {
    let config = context::load(global, Vec::new())?.config;
    context::start_threads(&config)?;
    let data = read(global, &args.file, args.data_format.as_deref())?;
    let cancel = Arc::new(AtomicBool::new(false));
    interrupt::watch(&cancel)?;
    let decode = match args.decode {
        Depth::All => PictureCheck::All,
        Depth::Headers => PictureCheck::Headers,
        Depth::None => PictureCheck::None,
    };
    let options = CheckOptions { images: &args.images, decode, cancel: &cancel };
    let pictures = data::different_images(&data).len() as u64;
    let progress = Mutex::new(Progress::new(global, "pictures", pictures));
    let looked_at = || progress.lock().unwrap_or_else(PoisonError::into_inner).advance();
    let report = data::check(&data, &options, looked_at);
    progress.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    let report = report?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        ReportFormat::Text => output::write_check(&mut out, &args.file, &report)?,
        ReportFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(verdict(&report, args.max_broken))
}

fn verdict(report: &CheckReport, max_broken: Option<f64>) -> Exit {
    match max_broken {
        Some(most) if report.broken_fraction > most => {
            let (share, most) = (100.0 * report.broken_fraction, 100.0 * most);
            let _ = writeln!(io::stderr(), "{share:.2} % are broken, more than {most:.2} %");
            Exit::GateFailed
        }
        Some(_) => Exit::Success,
        None if report.usable < report.items => Exit::SomeFailed,
        None => Exit::Success,
    }
}
