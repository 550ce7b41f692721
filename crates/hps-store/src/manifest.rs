//! `run.json`: what a run is.

use std::path::Path;

use hps_core::{Error, ErrorKind, GeneratorInfo, Prompt, Result, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::atomic;
use crate::difference::{Difference, first_difference};
use crate::io_error::io_error;
use crate::names;

/// The version of the layout of `run.json` and its folder.
pub const MANIFEST_FORMAT: u32 = 1;

/// Everything needed to repeat a run, and its state.
///
/// Times live here and in no other file, so that equal runs differ in no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// The version of the program that wrote this last.
    pub hps_loop_version: String,
    /// The command: `generate`.
    pub command: String,
    /// How far the run is.
    pub status: RunStatus,
    /// The generator.
    pub model: GeneratorInfo,
    /// The reward or rewards: [`RewardInfo`](hps_core::RewardInfo) as JSON, or a
    /// structure of several. All of it must be the same when the run is resumed,
    /// but for digests (keys that end in `_sha256`) not known on one side.
    pub reward: Value,
    /// What else determines pictures, scores and ranks, with defaults resolved:
    /// size, steps, guidance, scheduler, negative prompt, policy. Must be the same
    /// when the run is resumed.
    pub parameters: Value,
    /// What was set but changes no picture: batch size, threads, device, budgets.
    #[serde(default)]
    pub settings: Value,
    /// The prompts, in order.
    pub prompts: Vec<Prompt>,
    /// The seed.
    pub seed: Seed,
    /// Candidates per prompt; may grow when the run is resumed.
    pub best_of: u32,
    /// Model evaluations of all sessions that ended in order.
    #[serde(default)]
    pub nfe: u64,
    /// Wall-clock seconds of all sessions that ended in order.
    #[serde(default)]
    pub seconds: f64,
    /// When the first session began, as the caller writes times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When the last session ended, as the caller writes times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// A process works on it, or died while it did.
    Running,
    /// It was stopped; everything until then is on disk.
    Interrupted,
    /// All prompts were worked through.
    Finished,
}

impl RunManifest {
    /// The manifest of a run's folder; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the file is not a manifest that this version can
    /// read, [`ErrorKind::Io`] if it cannot be read at all.
    pub fn read(dir: &Path) -> Result<Option<RunManifest>> {
        let path = dir.join(names::MANIFEST);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path, error)),
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| unreadable(&path, e))?;
        if let Some(format) = value.get("format").filter(|format| **format != MANIFEST_FORMAT) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{} has format {format}, not {MANIFEST_FORMAT}", path.display()),
            )
            .with_hint("Use the version of hps-loop that wrote it, or another folder."));
        }
        serde_json::from_value(value).map(Some).map_err(|error| unreadable(&path, error))
    }

    /// Writes the manifest to a run's folder, all at once.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(names::MANIFEST);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| io_error("write", &path, error.into()))?;
        bytes.push(b'\n');
        atomic::write(&path, &bytes)
    }

    /// Whether a run with this manifest can be continued as `new`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] with the first field that differs and both values.
    pub(crate) fn check_resume(&self, new: &RunManifest) -> Result<()> {
        if self.hps_loop_version != new.hps_loop_version {
            tracing::warn!(
                old = self.hps_loop_version,
                new = new.hps_loop_version,
                "the run was begun by another version"
            );
        }
        if let Some(Difference { field, old, new }) = self.first_difference(new) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the run cannot be resumed: {field} was {old} and is now {new}"),
            )
            .with_hint("Resume with the same settings, or choose another folder with --out."));
        }
        if new.best_of < self.best_of {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the run cannot be resumed: best_of was {} and is now {}",
                    self.best_of, new.best_of
                ),
            )
            .with_hint("Candidates can be added to a run but not taken away."));
        }
        Ok(())
    }

    fn first_difference(&self, new: &RunManifest) -> Option<Difference> {
        [
            ("command", json!(self.command), json!(new.command)),
            ("model", self.model_identity(new), new.model_identity(self)),
            ("reward", self.reward.clone(), new.reward.clone()),
            ("seed", json!(self.seed), json!(new.seed)),
            ("prompts", json!(self.prompts), json!(new.prompts)),
            ("parameters", self.parameters.clone(), new.parameters.clone()),
        ]
        .iter()
        .find_map(|(field, old, new)| first_difference(field, old, new))
    }

    /// What decides whether two models are the same. The name matters only where
    /// the digest of one is unknown: a model may move.
    fn model_identity(&self, other: &RunManifest) -> Value {
        let model = &self.model;
        let digests = model.model_sha256.is_some() && other.model.model_sha256.is_some();
        json!({
            "model": if digests { None } else { Some(&model.model) },
            "model_sha256": model.model_sha256,
            "family": model.family,
            "precision": model.precision,
            "kernel": model.kernel,
        })
    }
}

fn unreadable(path: &Path, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} is no manifest: {error}", path.display()))
        .with_hint("Start again with --overwrite, or choose another folder with --out.")
        .with_source(error)
}
