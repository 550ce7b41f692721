//! Training a reward on people's choices between pictures.
//!
//! [`TrainConfig`] is what a training file says; [`train`] does it, in a folder, and
//! goes on where an earlier call with the same settings ended. See
//! [`run`](hps_train::run) for the files it writes.

mod config;
mod file;
mod pictures;
mod prepare;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use hps_core::{Error, ErrorKind, Result};
use hps_store::{DirLock, LOCK_WAIT};

pub use config::{DataConfig, LossConfig, ModelConfig, OptimiserConfig, RunConfig, TrainConfig};
pub use hps_train::checkpoint::{Best, WeightsFormat};
pub use hps_train::lock::Lock;
pub use hps_train::log::{Evaluation, TrainingStep};
pub use hps_train::loss::{LossKind, Reduction};
pub use hps_train::run::{Folder, RunSummary, TrainEvent, TrainObserver};
pub use pictures::CachedPictures;

/// Trains as `config` says, in the folder `out`.
///
/// # Errors
///
/// What is wrong with the settings, the data or the weights;
/// [`ErrorKind::Conflict`] when another process works in the folder or it holds
/// another run; [`ErrorKind::NotFinite`] when the loss is NaN. What was saved stays.
pub fn train(
    config: &TrainConfig,
    out: &Path,
    stop: &AtomicBool,
    observer: &mut dyn TrainObserver,
) -> Result<RunSummary> {
    config.check()?;
    fs::create_dir_all(out).map_err(|error| {
        let message = format!("cannot create {}: {error}", out.display());
        Error::new(ErrorKind::Io, message).with_source(error)
    })?;
    let _lock = DirLock::acquire(out, LOCK_WAIT)?;
    let run = prepare::prepare(config, out)?;
    hps_train::run::run(run, stop, observer)
}
