//! One download of a file at a time, across processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;

use hps_core::Result;

use super::cache::create_parent;
use super::failure::write_error;
use super::retry::{POLL, check_cancelled};

/// A lock of the operating system. It ends with this value or with the process,
/// however that ends; the empty file stays, since removing it would let two
/// processes lock two different files of one name.
#[derive(Debug)]
pub(super) struct Lock {
    file: Option<File>,
}

impl Lock {
    /// Takes the lock at `path`. If somebody else has it, calls `on_wait` once
    /// and waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) if the lock file cannot be
    /// written, [`ErrorKind::Interrupted`](hps_core::ErrorKind::Interrupted) once
    /// `cancel` is set.
    pub(super) fn acquire(
        path: &Path,
        cancel: &AtomicBool,
        on_wait: impl FnOnce(),
    ) -> Result<Self> {
        create_parent(path)?;
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = file.map_err(|error| write_error(path, error))?;
        let mut on_wait = Some(on_wait);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { file: Some(file) }),
                Err(TryLockError::WouldBlock) => {
                    check_cancelled(cancel)?;
                    if let Some(on_wait) = on_wait.take() {
                        on_wait();
                    }
                    thread::sleep(POLL);
                }
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(
                        path = %path.display(), %error,
                        "this file system has no locks; several downloads may run at once"
                    );
                    return Ok(Lock { file: None });
                }
            }
        }
    }

    /// Whether others are really kept out.
    pub(super) fn is_exclusive(&self) -> bool {
        self.file.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::Ordering;

    use hps_core::ErrorKind;

    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".locks/repo/etag.lock");
        let cancel = AtomicBool::new(false);
        let first = Lock::acquire(&path, &cancel, || panic!("nobody has it")).unwrap();
        assert!(first.is_exclusive());
        let (waiting, has_waited) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(|| {
                Lock::acquire(&path, &cancel, || waiting.send(()).unwrap()).unwrap().is_exclusive()
            });
            has_waited.recv().unwrap();
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let cancel = AtomicBool::new(false);
        let _first = Lock::acquire(&path, &cancel, || ()).unwrap();
        let stop = || cancel.store(true, Ordering::Relaxed);
        let error = Lock::acquire(&path, &cancel, stop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
