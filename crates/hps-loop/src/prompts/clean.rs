//! A file of cleaned prompts: what is there, what is missing, one after another.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hps_core::{Error, ErrorKind, Result};
use hps_store::jsonl;
#[cfg(feature = "endpoint")]
use hps_train::prompts::endpoint::EndpointOptions;
use hps_train::prompts::{Entry, RuleSet};
use rayon::prelude::*;

use super::record::CleanRecord;

/// Prompts that rules clean between two looks at the stop flag.
const CHUNK: usize = 4096;

/// How prompts are cleaned.
#[derive(Debug)]
pub enum CleanMethod {
    /// By rules.
    Rules(RuleSet),
    /// By a chat model.
    #[cfg(feature = "endpoint")]
    Endpoint {
        /// Which, and how patiently.
        options: Box<EndpointOptions>,
        /// Begin no more requests once this many tokens were taken, those of earlier
        /// sessions on the same file included.
        max_tokens: Option<u64>,
    },
}

impl CleanMethod {
    /// What is written to records: equal methods give equal names.
    pub fn name(&self) -> String {
        match self {
            CleanMethod::Rules(rules) => format!("rules:{}", rules.digest()),
            #[cfg(feature = "endpoint")]
            CleanMethod::Endpoint { options, .. } => options.method(),
        }
    }
}

/// Where results go, and what to do about those that are there.
#[derive(Clone, Copy, Debug)]
pub struct CleanOptions<'a> {
    /// The file; `None` keeps results in memory.
    pub out: Option<&'a Path>,
    /// Start again instead of going on with the file.
    pub overwrite: bool,
    /// Try again what failed before.
    pub retry_failed: bool,
    /// Set to stop.
    pub cancel: &'a AtomicBool,
}

/// Who is told about the work.
pub trait CleanObserver {
    /// So many prompts are there from before.
    fn resumed(&mut self, count: usize);

    /// One more prompt is done.
    fn finished(&mut self, record: &CleanRecord);

    /// A request failed and is tried again after `delay`.
    fn retry(&mut self, why: &str, delay: Duration);
}

/// Why [`clean`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanEnd {
    /// Every prompt has a record.
    Done,
    /// The tokens are spent.
    Budget,
    /// It was stopped.
    Interrupted,
}

/// What [`clean`] made.
#[derive(Debug)]
pub struct CleanOutcome {
    /// One record per prompt, in input order; those that are missing after a stop are
    /// left out.
    pub records: Vec<CleanRecord>,
    /// Why it ended.
    pub end: CleanEnd,
}

/// Cleans every prompt of `entries` and keeps one record each.
///
/// With a file the same call goes on after a stop or a crash: records that are there
/// are kept, a torn last line is removed, and at the end the file is in input order. A
/// hidden file beside it, `.NAME.lock`, keeps other processes away and stays.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if the file was made from other prompts or by another
/// method, or another process works on it; [`ErrorKind::Io`] and
/// [`ErrorKind::InvalidInput`] if it cannot be used; what keeps the endpoint from
/// working at all. Prompts that cannot be cleaned are records with an error.
pub fn clean(
    entries: &[Entry],
    method: &CleanMethod,
    options: &CleanOptions<'_>,
    observer: &mut dyn CleanObserver,
) -> Result<CleanOutcome> {
    let name = method.name();
    let _lock = options.out.map(lock).transpose()?;
    let mut work = Work::open(entries, &name, options)?;
    observer.resumed(work.records.iter().flatten().count());
    let end = match method {
        CleanMethod::Rules(rules) => by_rules(&mut work, rules, options.cancel, observer),
        #[cfg(feature = "endpoint")]
        CleanMethod::Endpoint { options: endpoint, max_tokens } => {
            super::endpoint::by_endpoint(&mut work, endpoint, *max_tokens, options, observer)?
        }
    };
    let records: Vec<CleanRecord> = work.records.into_iter().flatten().collect();
    if let Some(path) = options.out {
        jsonl::replace(path, &records)?;
    }
    Ok(CleanOutcome { records, end })
}

/// The state of the work.
pub(super) struct Work<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) method: &'a str,
    /// One place per entry.
    pub(super) records: Vec<Option<CleanRecord>>,
    /// Failed ones that are tried again, for what they cost before.
    pub(super) before: Vec<CleanRecord>,
}

impl<'a> Work<'a> {
    fn open(entries: &'a [Entry], method: &'a str, options: &CleanOptions<'_>) -> Result<Self> {
        let mut work = Work { entries, method, records: Vec::new(), before: Vec::new() };
        work.records.resize_with(entries.len(), || None);
        let Some(path) = options.out else { return Ok(work) };
        if options.overwrite {
            jsonl::replace::<CleanRecord>(path, [])?;
        }
        // A line without its end counts as torn, which a file of something else is not.
        if fs::read(path).is_ok_and(|bytes| bytes.first().is_some_and(|&byte| byte != b'{')) {
            return Err(refusal(path, "has something else in it"));
        }
        for record in jsonl::read::<CleanRecord>(path)? {
            work.check(&record, path)?;
            // Of two records the later one counts.
            if let Some(place) = work.records.get_mut(record.index) {
                *place = Some(record);
            }
        }
        if options.retry_failed {
            let failed = |record: &CleanRecord| record.error.is_some() && record.original.is_some();
            for place in &mut work.records {
                work.before.extend(place.take_if(|record| failed(record)));
            }
        }
        Ok(work)
    }

    fn check(&self, record: &CleanRecord, path: &Path) -> Result<()> {
        let entry = self.entries.get(record.index);
        let same =
            entry.is_some_and(|entry| entry.prompt.as_ref().ok() == record.original.as_ref());
        let what = match () {
            () if !same => "was made from other prompts",
            () if record.method != self.method => "was made by another method",
            () => return Ok(()),
        };
        Err(refusal(path, what))
    }

    /// Entries without a record; those whose line is broken get theirs here.
    pub(super) fn pending(&mut self, observer: &mut dyn CleanObserver) -> Vec<usize> {
        let mut pending = Vec::new();
        for (index, (entry, place)) in self.entries.iter().zip(&mut self.records).enumerate() {
            match &entry.prompt {
                _ if place.is_some() => {}
                Ok(_) => pending.push(index),
                Err(_) => {
                    let record = place.insert(CleanRecord::of(index, entry, self.method));
                    observer.finished(record);
                }
            }
        }
        pending
    }
}

fn refusal(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} {what}", path.display()))
        .with_hint("Choose another file with --out, or start again with --overwrite.")
}

fn by_rules(
    work: &mut Work<'_>,
    rules: &RuleSet,
    cancel: &AtomicBool,
    observer: &mut dyn CleanObserver,
) -> CleanEnd {
    let pending = work.pending(observer);
    for chunk in pending.chunks(CHUNK) {
        if cancel.load(Ordering::Relaxed) {
            return CleanEnd::Interrupted;
        }
        let clean = |&index: &usize| {
            let entry = work.entries.get(index)?;
            let text = entry.prompt.as_deref().ok()?;
            let record = CleanRecord::of(index, entry, work.method);
            Some(record.with_cleaned(rules.clean(text)))
        };
        let records: Vec<CleanRecord> = chunk.par_iter().filter_map(clean).collect();
        for record in records {
            observer.finished(&record);
            let index = record.index;
            if let Some(place) = work.records.get_mut(index) {
                *place = Some(record);
            }
        }
    }
    CleanEnd::Done
}

/// Exclusive use of `out` as long as the value lives: a lock of the operating system on
/// a file beside it.
fn lock(out: &Path) -> Result<File> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let path: PathBuf = out.with_file_name(format!(".{name}.lock"));
    let failed = |error| {
        Error::new(ErrorKind::Io, format!("cannot write beside {}", out.display()))
            .with_source(error)
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another process works on {}", out.display());
            Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("Wait for it to end, or choose another file with --out."))
        }
        // Not every file system has locks.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
