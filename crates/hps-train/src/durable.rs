//! Files that are either old or new, never half.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};

/// Replaces `path` with what `write` writes: into a temporary file beside it, which is
/// on the disk before it takes the place of the old one.
///
/// # Errors
///
/// What `write` reports, or [`ErrorKind::Io`] with the path. The old file is still
/// there then.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let temporary = temporary(path);
    let failed = |error| io_error("write", &temporary, error);
    let file = File::create(&temporary).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let written = write(&mut writer).and_then(|()| {
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)
    });
    if let Err(error) = written {
        // The disk may be full: do not leave it so.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    fs::rename(&temporary, path).map_err(|error| io_error("replace", path, error))?;
    sync_folder(path)
}

/// As [`replace`], with the whole content.
pub(crate) fn replace_with(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, |file| file.write_all(content).map_err(|error| io_error("write", path, error)))
}

/// The name under which a file is written: the same for every attempt, so that a
/// killed process leaves at most one.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes a new name in a folder last.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("sync", folder, error))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// A failure to `verb` the file at `path`.
pub(crate) fn io_error(verb: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Io,
    };
    let full = error.kind() == io::ErrorKind::StorageFull;
    let message = format!("cannot {verb} {}: {error}", path.display());
    let error = Error::new(kind, message).with_source(error);
    if full { error.with_hint("Free some space and run the same command again.") } else { error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        replace_with(&path, b"old").unwrap();
        let error = replace(&path, |file| {
            file.write_all(b"half of the ne").unwrap();
            Err(Error::new(ErrorKind::Io, "the disk is full"))
        });
        assert_eq!(error.unwrap_err().message(), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        replace_with(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let nowhere = dir.path().join("no").join("a.txt");
        assert_eq!(replace_with(&nowhere, b"").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
