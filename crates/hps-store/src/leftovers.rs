//! Files of former states of a run.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};

use crate::io_error::io_error;
use crate::{atomic, names, provenance};

/// Removes the ranked pictures and `best.png` that are not among `wanted`, and
/// files whose writing was cut short.
///
/// Pictures without the text chunks of this program stay: somebody else put them
/// there.
pub(crate) fn remove_stale(dir: &Path, wanted: &BTreeSet<String>) -> Result<()> {
    for (name, path) in files(dir)? {
        let picture = names::is_ranked(&name) || name == names::BEST;
        let stale = picture && !wanted.contains(&name) && is_ours(&path);
        if stale || names::is_temporary(&name) {
            atomic::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Refuses a folder in which a run of `count` pictures would replace a picture of
/// somebody else.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] naming the picture.
pub(crate) fn check_foreign(dir: &Path, count: usize) -> Result<()> {
    for (name, path) in files(dir)? {
        let rank: Option<usize> = name.strip_suffix(".png").and_then(|stem| stem.parse().ok());
        let needed = name == names::BEST
            || (names::is_ranked(&name) && rank.is_some_and(|rank| (1..=count).contains(&rank)));
        if needed && !is_ours(&path) {
            let message = format!("{} is not a picture of a run", path.display());
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("Move it away, or choose another folder with --out."));
        }
    }
    Ok(())
}

/// Removes everything that a run wrote to its folder, and nothing else.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if the folder's manifest is that of another command.
pub(crate) fn remove_run(dir: &Path) -> Result<()> {
    let manifest = fs::read(dir.join(names::MANIFEST)).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
    if let Some(command) = manifest["command"].as_str().filter(|&command| command != "generate") {
        let message = format!("{} holds a run of {command}", dir.display());
        return Err(
            Error::new(ErrorKind::Conflict, message).with_hint("Choose another folder with --out.")
        );
    }
    // Without its manifest nothing can mistake what is left for a run.
    atomic::remove_file(&dir.join(names::MANIFEST))?;
    remove_prompt(dir)?;
    for (name, path) in sub_dirs(dir)? {
        if names::is_prompt_dir(&name) {
            remove_prompt(&path)?;
            atomic::remove_dir_if_empty(&path)?;
        }
    }
    Ok(())
}

fn remove_prompt(dir: &Path) -> Result<()> {
    atomic::remove_file(&dir.join(names::RECORDS))?;
    atomic::remove_private_dir(&dir.join(names::STAGE))?;
    remove_stale(dir, &BTreeSet::new())
}

/// Whether a folder holds anything but a lock and an unborn manifest.
pub(crate) fn is_empty(dir: &Path) -> Result<bool> {
    let files = files(dir)?;
    let empty = files.iter().all(|(name, _)| name == names::LOCK || names::is_temporary(name));
    Ok(empty && sub_dirs(dir)?.is_empty())
}

fn is_ours(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| provenance::is_ours(&bytes))
}

fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    entries(dir, false)
}

/// Real folders: links to folders lead out of the run.
fn sub_dirs(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    entries(dir, true)
}

fn entries(dir: &Path, dirs: bool) -> Result<Vec<(String, PathBuf)>> {
    let list = || -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() == dirs {
                found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
            }
        }
        found.sort();
        Ok(found)
    };
    list().map_err(|error| io_error("read", dir, error))
}
