//! The state of a run between two steps.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::tensor_file::{self, Content};
use crate::durable;
use crate::model::Parameters;
use crate::optimiser::{Moments, OptimiserState};

/// How far a run is. With the settings this determines all that follows: orders of
/// data are functions of seed and position, and nothing else is random.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// The position in the order of the data.
    pub position: u64,
    /// Updates of the optimiser.
    pub updates: u64,
    /// Steps done at the last evaluation.
    pub evaluated: u64,
    /// The best result of an evaluation so far.
    pub best: Option<Best>,
    /// Sums over the steps since the last record.
    pub since_record: Sums,
    /// The comparisons that were skipped because a picture could not be read, by index,
    /// and why.
    pub skipped: BTreeMap<usize, String>,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// Sums over steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Losses of comparisons.
    pub loss: f64,
    /// Comparisons.
    pub comparisons: usize,
    /// Pairs of pictures that people order.
    pub pairs: usize,
    /// Those of them that the model orders as people do.
    pub correct: usize,
}

/// The best evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done when it was made.
    pub step: u64,
    /// The share of pairs that the model orders as people do.
    pub accuracy: f64,
}

/// A run's progress, trained weights and moments, as one file.
///
/// Tensors that are not trained are not in it: they are those of the weights that the
/// run began with.
pub struct Checkpoint {
    progress: Progress,
    tensors: hps_weights::Checkpoint,
}

const PROGRESS: &str = "progress";
const PREFIXES: [&str; 3] = ["weight.", "first-moment.", "second-moment."];

impl Checkpoint {
    /// Writes a checkpoint, replacing the one at `path` at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the file cannot be written.
    pub fn write(
        path: &Path,
        progress: &Progress,
        parameters: &Parameters,
        state: &OptimiserState,
    ) -> Result<()> {
        let progress = serde_json::to_vec(progress).map_err(|error| {
            Error::new(ErrorKind::Io, "cannot write the progress").with_source(error)
        })?;
        let mut entries = vec![(PROGRESS.to_owned(), Content::Bytes(&progress))];
        for (name, value) in parameters.trainable() {
            entries.push((format!("{}{name}", PREFIXES[0]), Content::F32(value)));
            if let Some(Moments { first, second }) = state.moments.get(name) {
                entries.push((format!("{}{name}", PREFIXES[1]), Content::F32(first)));
                entries.push((format!("{}{name}", PREFIXES[2]), Content::F32(second)));
            }
        }
        // The only tensor of bytes comes last, so that the others are aligned.
        entries.rotate_left(1);
        durable::replace(path, |file| tensor_file::write(file, &[], &entries))
    }

    /// Opens the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::InvalidWeights`] when
    /// it is damaged or of another kind.
    pub fn open(path: &Path) -> Result<Self> {
        let tensors = hps_weights::Checkpoint::open(path)?;
        let bytes = tensors.bytes(PROGRESS).unwrap_or_default();
        let progress = serde_json::from_slice(bytes).map_err(|error| {
            let message = format!("{} is not a checkpoint of a run", path.display());
            Error::new(ErrorKind::InvalidWeights, message).with_source(error)
        })?;
        Ok(Checkpoint { progress, tensors })
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Puts the trained weights into `parameters` and returns the optimiser's state.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidWeights`] when other tensors are trained than those of the
    /// checkpoint.
    pub fn restore(&self, parameters: &mut Parameters) -> Result<OptimiserState> {
        let trained: Vec<String> =
            parameters.trainable().map(|(name, _)| name.to_owned()).collect();
        let stored = self.tensors.tensors().filter(|(name, _)| name.starts_with(PREFIXES[0]));
        if stored.count() != trained.len() {
            let message = format!("{} trains other tensors", self.tensors.name());
            return Err(Error::new(ErrorKind::InvalidWeights, message));
        }
        let device = parameters.device().clone();
        let mut state = OptimiserState { updates: self.progress.updates, ..Default::default() };
        for name in trained {
            parameters.set(&name, self.tensor(PREFIXES[0], &name, &device)?)?;
            if self.tensors.contains(&format!("{}{name}", PREFIXES[1])) {
                let first = self.tensor(PREFIXES[1], &name, &device)?;
                let second = self.tensor(PREFIXES[2], &name, &device)?;
                state.moments.insert(name, Moments { first, second });
            }
        }
        Ok(state)
    }

    fn tensor(&self, prefix: &str, name: &str, device: &Device) -> Result<Tensor> {
        self.tensors.tensor(&format!("{prefix}{name}"), device)
    }
}
