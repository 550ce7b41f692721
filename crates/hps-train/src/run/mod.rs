//! A training run: from data and weights to better weights, through any number of
//! interruptions.
//!
//! A run lives in a folder:
//!
//! | file | what |
//! |---|---|
//! | `run.json` | settings and where everything came from; written first |
//! | `checkpoint.safetensors` | what the run is resumed from: trained weights, moments, progress |
//! | `metrics.jsonl` | a [`Record`](crate::log::Record) a line |
//! | `tensorboard/` | the same scalars for TensorBoard |
//! | `skipped.jsonl` | comparisons with a picture that cannot be read |
//! | `best.safetensors` | the weights with the best validation accuracy |
//! | `last.safetensors` | the weights of the last step |
//! | `open_clip_config.json` | their architecture, in open_clip's form |
//! | `MODEL_CARD.md` | how they were made |
//!
//! # Invariants
//!
//! * Running the same settings again goes on after the last checkpoint, and ends with
//!   the very weights of a run that was never interrupted.
//! * No file but `metrics.jsonl` and the event file is ever half written, and of those
//!   what follows the last checkpoint is written again.
//! * Settings that differ from those of the folder are an error.

mod architecture;
mod card;
mod evaluation;
mod examples;
mod folder;
mod observer;
mod options;
mod session;
mod speed;
#[cfg(test)]
mod tests;

pub use folder::{Folder, Manifest};
pub use observer::{TrainEvent, TrainObserver};
pub use options::{DataSource, RunOptions, RunSummary};
pub use session::{Run, run};
