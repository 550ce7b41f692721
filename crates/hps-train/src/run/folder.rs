//! The files of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::data::Dataset;
use crate::durable::{self, io_error};

/// What `run.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program that began the run.
    pub version: String,
    /// Everything that the resulting weights depend on. A run is only resumed with
    /// equal settings.
    pub settings: Value,
}

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The run in the folder at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `checkpoint.safetensors`.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// `best.safetensors`.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// `last.safetensors`.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    pub(super) fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub(super) fn events(&self) -> PathBuf {
        self.path.join("tensorboard").join("events.out.tfevents.0.hps-loop")
    }

    pub(super) fn card(&self) -> PathBuf {
        self.path.join("MODEL_CARD.md")
    }

    pub(super) fn architecture(&self) -> PathBuf {
        self.path.join("open_clip_config.json")
    }

    fn manifest(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Makes the folder, or finds the run with this `manifest` in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] when the folder holds a run with other settings, or
    /// files of somebody else; [`ErrorKind::Io`] when it cannot be written.
    pub(super) fn prepare(&self, manifest: &Manifest) -> Result<()> {
        let tensorboard = self.path.join("tensorboard");
        match fs::read(self.manifest()) {
            Ok(bytes) => self.check(&bytes, manifest)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.require_empty()?;
                fs::create_dir_all(&self.path)
                    .map_err(|error| io_error("create", &self.path, error))?;
                let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| {
                    Error::new(ErrorKind::Io, "cannot write run.json").with_source(error)
                })?;
                text.push(b'\n');
                durable::replace_with(&self.manifest(), &text)?;
            }
            Err(error) => return Err(io_error("read", &self.manifest(), error)),
        }
        fs::create_dir_all(&tensorboard).map_err(|error| io_error("create", &tensorboard, error))
    }

    fn check(&self, bytes: &[u8], manifest: &Manifest) -> Result<()> {
        let path = self.manifest();
        let found: Manifest = serde_json::from_slice(bytes).map_err(|error| {
            let message = format!("{} is not of a training run", path.display());
            Error::new(ErrorKind::Conflict, message)
                .with_source(error)
                .with_hint("Choose another folder with --out.")
        })?;
        if found.version != manifest.version {
            tracing::warn!(began = found.version, now = manifest.version, "another version");
        }
        match difference("", &found.settings, &manifest.settings) {
            None => Ok(()),
            Some(difference) => {
                let message =
                    format!("{} is of a run with other settings: {difference}", path.display());
                Err(Error::new(ErrorKind::Conflict, message).with_hint(
                    "Restore the settings to go on with that run, or choose another folder with \
                     --out.",
                ))
            }
        }
    }

    /// Nothing is written among files of somebody else; hidden ones, as locks are, do
    /// not count.
    fn require_empty(&self) -> Result<()> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Ok(()) };
        let visible = |name: &str| !name.starts_with('.') && name != "run.json.tmp";
        let mut names = entries.flatten().map(|entry| entry.file_name());
        if names.any(|name| name.to_str().is_none_or(visible)) {
            let message = format!("{} is not empty and holds no run", self.path.display());
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("Choose another folder with --out."));
        }
        Ok(())
    }

    /// Writes the comparisons that were skipped so far, one a line.
    pub(super) fn write_skipped(
        &self,
        data: &Dataset,
        skipped: &BTreeMap<usize, String>,
    ) -> Result<()> {
        let mut lines = Vec::new();
        for (index, reason) in skipped {
            let id = data.comparisons.get(*index).map(|comparison| &*comparison.id);
            lines.extend(json!({"id": id, "reason": reason}).to_string().into_bytes());
            lines.push(b'\n');
        }
        durable::replace_with(&self.path.join("skipped.jsonl"), &lines)
    }
}

/// The first place in which two settings differ, in words.
fn difference(place: &str, found: &Value, given: &Value) -> Option<String> {
    let (Value::Object(before), Value::Object(now)) = (found, given) else {
        let place = if place.is_empty() { "settings" } else { place };
        return (found != given).then(|| format!("{place} was {found} and is {given}"));
    };
    let nothing = Value::Null;
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    keys.into_iter().find_map(|key| {
        let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
        let (before, now) = (of(before), of(now));
        difference(&place, before.as_ref().unwrap_or(&nothing), now.as_ref().unwrap_or(&nothing))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn manifest(rate: f64) -> Manifest {
        let settings = json!({"loss": {"kind": "kl"}, "optimiser": {"learning-rate": rate}});
        Manifest { version: "1".to_owned(), settings }
    }

    #[test]
    fn a_run_is_found_again_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("a").join("run"));
        folder.prepare(&manifest(0.5)).unwrap();
        folder.prepare(&manifest(0.5)).unwrap();
        folder.prepare(&Manifest { version: "2".to_owned(), ..manifest(0.5) }).unwrap();
        let error = folder.prepare(&manifest(0.25)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let what = "other settings: optimiser.learning-rate was 0.5 and is 0.25";
        assert!(error.message().ends_with(what), "{error}");
    }

    #[test]
    fn files_of_somebody_else_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".lock"), "").unwrap();
        Folder::new(dir.path()).prepare(&manifest(1.0)).unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("thesis.tex"), "").unwrap();
        let error = Folder::new(other.path()).prepare(&manifest(1.0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
        fs::write(other.path().join("run.json"), "{\"model\": \"x\"}").unwrap();
        let error = Folder::new(other.path()).prepare(&manifest(1.0)).unwrap_err();
        assert!(error.message().contains("is not of a training run"), "{error}");
    }
}
