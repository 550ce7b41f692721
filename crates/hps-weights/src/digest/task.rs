//! Computing a digest while something else goes on.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use hps_core::{Error, ErrorKind, Result};

use super::{Digest, DigestCache, model, model_cached};
use crate::files::ModelFiles;

/// A digest that is being computed in a thread of its own. Dropping it abandons the result.
#[derive(Debug)]
pub struct DigestTask {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running(Receiver<Result<Digest>>),
    Done(Result<Digest>),
}

impl DigestTask {
    /// Starts computing the digest of `files`, with the cache at `cache` if one is given.
    pub fn spawn(files: ModelFiles, cache: Option<PathBuf>) -> Self {
        let (sender, receiver) = channel();
        let work = move || {
            let digest = match cache {
                Some(path) => model_cached(&files, &mut DigestCache::open(path)),
                None => model(&files),
            };
            // Nobody may be waiting any more.
            let _ = sender.send(digest);
        };
        let state = match thread::Builder::new().name("digest".to_owned()).spawn(work) {
            Ok(_) => State::Running(receiver),
            Err(error) => State::Done(Err(
                Error::new(ErrorKind::Io, "cannot start a thread").with_source(error)
            )),
        };
        DigestTask { state: Mutex::new(state) }
    }

    /// The digest, if it is known by now.
    ///
    /// # Errors
    ///
    /// As for [`model`].
    pub fn try_get(&self) -> Option<Result<Digest>> {
        // Another thread that waits holds the lock until the digest is known.
        let mut state = self.state.try_lock().ok()?;
        if let State::Running(receiver) = &*state {
            match receiver.try_recv() {
                Ok(digest) => *state = State::Done(digest),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => *state = State::Done(Err(died())),
            }
        }
        state.result()
    }

    /// Waits for the digest.
    ///
    /// # Errors
    ///
    /// As for [`model`].
    pub fn wait(&self) -> Result<Digest> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(receiver) = &*state {
            *state = State::Done(receiver.recv().unwrap_or_else(|_| Err(died())));
        }
        state.result().unwrap_or_else(|| Err(died()))
    }
}

impl State {
    fn result(&self) -> Option<Result<Digest>> {
        match self {
            State::Running(_) => None,
            State::Done(Ok(digest)) => Some(Ok(*digest)),
            State::Done(Err(error)) => {
                let mut copy = Error::new(error.kind(), error.full_message());
                if let Some(hint) = error.hint() {
                    copy = copy.with_hint(hint);
                }
                Some(Err(copy))
            }
        }
    }
}

fn died() -> Error {
    Error::new(ErrorKind::Io, "the thread that computes the digest died")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::digest::bytes;

    #[test]
    fn results_can_be_asked_for_more_than_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.pt");
        std::fs::write(&path, b"abc").unwrap();
        let files = ModelFiles::open(&path).unwrap();
        let task = DigestTask::spawn(files.clone(), Some(dir.path().join("cache.json")));
        assert_eq!(task.wait().unwrap(), bytes(b"abc"));
        assert_eq!(task.wait().unwrap(), bytes(b"abc"));
        assert_eq!(task.try_get().unwrap().unwrap(), bytes(b"abc"));
        std::fs::remove_file(&path).unwrap();
        let task = DigestTask::spawn(files, None);
        for _ in 0..2 {
            assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::NotFound);
        }
    }
}
