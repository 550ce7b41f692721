//! One process per folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hps_core::{Error, ErrorKind, Result};

use crate::checkpoint::checkpoint;
use crate::io_error::io_error;
use crate::names;

/// How long a second process waits before it refuses.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Exclusive use of a folder for as long as the value lives.
///
/// The lock is the operating system's (`flock`, `LockFileEx`) on the file `.lock`
/// in the folder, so it ends with its process however that ends. The file itself
/// stays: removing it would let two processes hold locks on two files of the same
/// name.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks an existing folder, waiting up to `wait` for another owner to end.
    ///
    /// On a file system without locks this logs a warning and goes on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the folder is still locked after `wait`,
    /// [`ErrorKind::Io`] if the lock file cannot be made.
    pub fn acquire(dir: &Path, wait: Duration) -> Result<DirLock> {
        let path = dir.join(names::LOCK);
        let file = checkpoint()
            .and_then(|()| open(&path))
            .map_err(|error| io_error("create", &path, error))?;
        let started = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(DirLock { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    tracing::warn!(dir = %dir.display(), "this file system has no locks");
                    return Ok(DirLock { _file: file });
                }
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &path, error)),
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(in_use(dir));
            }
            if !told {
                tracing::warn!(dir = %dir.display(), "another process works here; waiting for it");
                told = true;
            }
            thread::sleep(POLL.min(left));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

fn in_use(dir: &Path) -> Error {
    Error::new(ErrorKind::Conflict, format!("another process works in {}", dir.display()))
        .with_hint("Wait for it to end, or choose another folder with --out.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let error = DirLock::acquire(dir.path(), Duration::from_millis(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains(&dir.path().display().to_string()), "{error}");
        drop(first);
        DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_second_owner_waits() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let path = dir.path().to_owned();
        let second = thread::spawn(move || DirLock::acquire(&path, Duration::from_secs(60)));
        thread::sleep(Duration::from_millis(20));
        drop(first);
        assert!(second.join().unwrap().is_ok());
    }
}
