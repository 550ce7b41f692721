//! One call that may use the network: which commit, which files are missing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use hps_core::{Error, ErrorKind, Result};

use super::cache::RepoCache;
use super::client::{Client, Metadata};
use super::download::{Downloader, Job};
use super::failure::Failure;
use super::names::{self, Target};
use super::retry::{POLL, check_cancelled, with_retries};
use super::{DownloadObserver, HubOptions};
use crate::registry::FileEntry;

/// What to bring: files of one revision of one repository, at least one. Names
/// have been checked.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) repo: &'a str,
    pub(super) revision: &'a str,
    pub(super) files: &'a [FileEntry<'a>],
}

/// The means to bring it.
pub(super) struct Session<'a> {
    pub(super) options: &'a HubOptions,
    pub(super) cache: &'a RepoCache,
    pub(super) cancel: &'a AtomicBool,
}

impl Session<'_> {
    /// Makes sure that all files are in one snapshot, and says where that is.
    pub(super) fn run(
        &self,
        request: Request<'_>,
        observer: &mut dyn DownloadObserver,
    ) -> Result<PathBuf> {
        self.with_client(|client| self.bring(client, request, observer))
    }

    /// The paths of all files of a repository, or else `cached`.
    pub(super) fn list(
        &self,
        repo: &str,
        revision: &str,
        cached: Option<Vec<String>>,
        observer: &mut dyn DownloadObserver,
    ) -> Result<Vec<String>> {
        let listing = self.with_client(|client| {
            self.ask(cached.is_some(), observer, || client.listing(repo, revision))
        });
        listing.or_else(|error| or_cached(error, cached))
    }

    /// Runs `work` with a client whose connections break once `cancel` is set:
    /// reads block for as long as a server is silent, so they cannot look.
    fn with_client<T>(&self, work: impl FnOnce(&Client<'_>) -> Result<T>) -> Result<T> {
        let client = Client::new(self.options)?;
        let agent = client.agent();
        thread::scope(|scope| {
            let (done, finished) = mpsc::channel::<()>();
            scope.spawn(move || {
                while finished.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                    if self.cancel.load(Ordering::Relaxed) {
                        agent.shutdown();
                        return;
                    }
                }
            });
            let result = work(&client);
            drop(done);
            result
        })
    }

    fn bring(
        &self,
        client: &Client<'_>,
        request: Request<'_>,
        observer: &mut dyn DownloadObserver,
    ) -> Result<PathBuf> {
        let Request { repo, revision, files } = request;
        let first = files.first().map_or("", |file| file.path);
        let target = Target { repo, revision, file: first };
        let cached = self.cache.complete(revision, files);
        let head = match self.ask(cached.is_some(), observer, || client.metadata(target)) {
            Ok(head) => head,
            Err(error) => return or_cached(error, cached),
        };
        let downloader =
            Downloader { options: self.options, client, cache: self.cache, cancel: self.cancel };
        let mut known = Some(&head);
        for file in files {
            let target = Target { repo, revision: &head.commit, file: file.path };
            let asked;
            let metadata = match known.take() {
                Some(head) => head,
                None if self.cache.has(&head.commit, file) => continue,
                None => {
                    asked = self.ask(false, observer, || client.metadata(target))?;
                    &asked
                }
            };
            check_against_registry(target, file, metadata)?;
            let entry = FileEntry { size: file.size.or(metadata.size), ..*file };
            if !self.cache.has(&head.commit, &entry) {
                downloader.fetch(&Job { target, metadata, sha256: file.sha256 }, observer)?;
            }
        }
        self.remember(revision, &head.commit);
        Ok(self.cache.snapshot(&head.commit))
    }

    /// Asks the hub something; only once where there is something to fall back on.
    fn ask<T>(
        &self,
        once: bool,
        observer: &mut dyn DownloadObserver,
        question: impl Fn() -> Result<T, Failure>,
    ) -> Result<T> {
        if once {
            check_cancelled(self.cancel)?;
            let answer = question();
            check_cancelled(self.cancel)?;
            return answer.map_err(Failure::into_error);
        }
        with_retries(self.options, self.cancel, observer, |_| question())
    }

    fn remember(&self, revision: &str, commit: &str) {
        if names::is_commit(revision) {
            return;
        }
        // The files are there; a cache that cannot be written to is no reason to
        // refuse them.
        if let Err(error) = self.cache.remember(revision, commit) {
            tracing::warn!(%error, "cannot note which commit {revision} stands for");
        }
    }
}

/// Falls back on what is in the cache if the hub does not answer as hoped.
fn or_cached<T>(error: Error, cached: Option<T>) -> Result<T> {
    match cached {
        Some(cached) if error.kind() != ErrorKind::Interrupted => {
            tracing::warn!(
                error = error.full_message(),
                "the hub cannot be asked for news; using what is cached"
            );
            Ok(cached)
        }
        _ => Err(error),
    }
}

/// Compares what the hub announces with what is known beforehand, so that a
/// replaced file is noticed before gigabytes have come.
fn check_against_registry(
    target: Target<'_>,
    file: &FileEntry<'_>,
    metadata: &Metadata,
) -> Result<()> {
    let differs = |what: &str, hub: &str, known: &str| {
        Err(Error::new(
            ErrorKind::InvalidWeights,
            format!("{target}: the hub has a file of {what} {hub}, known is one of {known}"),
        )
        .with_hint("The file was replaced on the hub; name the revision that had the known one."))
    };
    if let (Some(hub), Some(known)) = (metadata.size, file.size)
        && hub != known
    {
        return differs("size", &hub.to_string(), &known.to_string());
    }
    let etag = metadata.etag.as_str();
    match file.sha256 {
        Some(known) if names::is_sha256(etag) && !known.eq_ignore_ascii_case(etag) => {
            differs("SHA-256", etag, known)
        }
        _ => Ok(()),
    }
}
