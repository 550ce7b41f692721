//! What a run writes, and how it goes on after it was stopped.
//!
//! A run of `generate` owns one folder:
//!
//! | file | content |
//! |---|---|
//! | `run.json` | the [`RunManifest`]: everything needed to repeat the run, and its state |
//! | `candidates.jsonl` | one [`Record`] per candidate, best first, failures last |
//! | `01.png`, `02.png`, … | the pictures in rank order, zero-padded to the width of their number, at least 2 |
//! | `best.png` | the same bytes as the best picture |
//! | `.candidates/` | pictures of an unfinished run; gone when it is finished |
//! | `.lock` | held by the process that works here |
//!
//! With several prompts each has a folder `0`, `1`, … of its own with all but
//! `run.json` and `.lock`.
//!
//! Start at [`RunDir::create`], which hands out a [`PromptDir`] per prompt.
//!
//! # Invariants
//!
//! * Every finished candidate is on disk before the next call returns. A process
//!   that dies at any moment leaves a folder that can be resumed, and the resumed
//!   run ends with the same bytes as one that was never stopped (`run.json` apart:
//!   only it knows about time).
//! * Equal candidates give equal files, in whatever order they were finished.
//! * Files with other names, and numbered pictures that do not carry this
//!   program's text chunks, are never removed.

mod atomic;
mod checkpoint;
mod difference;
mod finish;
mod io_error;
pub mod jsonl;
mod leftovers;
mod lock;
mod manifest;
mod names;
pub mod png;
mod prompt_dir;
mod provenance;
mod record;
mod run_dir;

pub use finish::{PromptResult, Ranked};
pub use lock::{DirLock, LOCK_WAIT};
pub use manifest::{MANIFEST_FORMAT, RunManifest, RunStatus};
pub use prompt_dir::{PromptDir, Stored};
pub use provenance::text_chunks;
pub use record::{Drawn, ErrorRecord, Failed, Record};
pub use run_dir::{Existing, RunDir, RunOptions, SessionEnd};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kill_tests;
