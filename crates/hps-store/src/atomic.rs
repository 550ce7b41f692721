//! Files that are either there in full or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hps_core::Result;

use crate::checkpoint::{checkpoint, sync};
use crate::io_error::io_error;

/// Writes `bytes` to a temporary file beside `path`, then renames it.
///
/// Whatever happens, `path` holds either its former content or all of `bytes`.
/// The temporary name depends on `path` alone, so an interrupted write leaves at
/// most one file, which the next write replaces. Callers hold the folder's lock.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_path(path);
    let result = write_and_rename(&temporary, path, bytes);
    if result.is_err() {
        // The first error is the one worth reporting.
        let _ = remove_file(&temporary);
    }
    result.map_err(|error| io_error("write", path, error))
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    checkpoint()?;
    let mut file = File::create(temporary)?;
    checkpoint()?;
    file.write_all(bytes)?;
    // Without this a power cut could leave the new name on an empty file.
    sync(&file)?;
    drop(file);
    checkpoint()?;
    fs::rename(temporary, path)?;
    sync_parent(path)
}

/// Where [`write`] puts the bytes of `path` first.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes a rename in the folder of `path` last through a power cut.
#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync(&File::open(parent)?),
        None => sync(&File::open(".")?),
    }
}

#[cfg(not(unix))]
fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates a folder and its parents unless they exist.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    checkpoint()
        .and_then(|()| fs::create_dir_all(path))
        .map_err(|error| io_error("create", path, error))
}

/// Removes a file unless it is gone already.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    let removed = checkpoint().and_then(|()| fs::remove_file(path));
    ignore_missing(removed).map_err(|error| io_error("remove", path, error))
}

/// Removes a folder that belongs to this crate alone, with all that is in it.
pub(crate) fn remove_private_dir(path: &Path) -> Result<()> {
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries.flatten().filter(is_file) {
                remove_file(&entry.path())?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("read", path, error)),
    }
    let removed = checkpoint().and_then(|()| fs::remove_dir_all(path));
    ignore_missing(removed).map_err(|error| io_error("remove", path, error))
}

/// Removes a folder if nothing is left in it.
pub(crate) fn remove_dir_if_empty(path: &Path) -> Result<()> {
    let removed = checkpoint().and_then(|()| fs::remove_dir(path));
    match removed {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => ignore_missing(other).map_err(|error| io_error("remove", path, error)),
    }
}

fn is_file(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| !kind.is_dir())
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_core::ErrorKind;

    use super::*;
    use crate::checkpoint::armed::killed_after;

    #[test]
    fn a_kill_leaves_the_old_or_the_new_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for changes in 0.. {
            fs::write(&path, "old").unwrap();
            let (_, survived) = killed_after(changes, || write(&path, b"new"));
            let content = fs::read_to_string(&path).unwrap();
            if survived {
                assert_eq!(content, "new");
                break;
            }
            assert!(content == "old" || content == "new", "{content}");
        }
        write(&path, b"newer").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no/such/file");
        let error = write(&path, b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("no/such/file"), "{error}");
    }

    #[test]
    fn removing_twice_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "").unwrap();
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        let private = dir.path().join("private");
        create_dir(&private).unwrap();
        fs::write(private.join("y"), "").unwrap();
        remove_dir_if_empty(&private).unwrap();
        assert!(private.exists());
        remove_private_dir(&private).unwrap();
        remove_private_dir(&private).unwrap();
        assert!(!private.exists());
    }
}
