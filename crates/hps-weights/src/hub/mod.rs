//! Model files from a hub, by way of the cache that is shared with other programs.
//!
//! ```no_run
//! use hps_weights::hub::{Hub, HubOptions, SilentDownload};
//! use hps_weights::registry::FileEntry;
//!
//! # fn main() -> hps_core::Result<()> {
//! let hub = Hub::new(HubOptions::from_env()?);
//! let file = FileEntry::new("HPS_v2.1_compressed.pt");
//! let path = hub.fetch_file("xswu/HPSv2", "main", &file, &mut SilentDownload)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! * A file in a snapshot is complete. Where the hub gives a SHA-256, which it
//!   does for all large files, the bytes had that digest when they arrived.
//! * A process that dies at any point leaves a cache that the next one can use,
//!   and the received part of a file, which the next one goes on from.
//! * Two processes never write to one file: the second waits and finds it done.
//! * The token goes to the endpoint's own host and never into a message.
//!
//! # Why not the `hf-hub` crate
//!
//! `hf-hub` 1.0 was considered. Its downloads truncate the incomplete file instead
//! of resuming, are not compared with the digest, have no limit for a silent
//! server and are not tried again once the body has begun; `Retry-After` and
//! `HF_HUB_OFFLINE` are not read, and tokio, reqwest and hf-xet come with it. This
//! module is blocking, on `ureq`.

mod cache;
mod client;
mod download;
mod expected;
mod failure;
mod listing;
mod lock;
mod names;
mod observer;
mod options;
mod origin;
mod retry;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hps_core::{Error, ErrorKind, Result};

pub use self::observer::{DownloadObserver, SilentDownload};
pub use self::options::{DEFAULT_ENDPOINT, HubOptions, Token};

use self::cache::RepoCache;
use self::expected::{Expected, length};
use self::names::Target;
use self::session::{Request, Session};
use crate::digest::{self, Digest};
use crate::registry::{self, FileEntry};

/// A model hub and its local cache. Cheap to make; connects only when needed.
#[derive(Clone, Debug)]
pub struct Hub {
    options: HubOptions,
    cancel: Arc<AtomicBool>,
}

/// What [`Hub::verify_file`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedFile {
    /// Where the file is.
    pub path: PathBuf,
    /// Bytes in it.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Whether there was a digest to compare with: without one, only the size was
    /// compared, where known.
    pub digest_known: bool,
}

impl Hub {
    /// A hub reached as `options` say.
    pub fn new(options: HubOptions) -> Self {
        Hub { options, cancel: Arc::default() }
    }

    /// Makes every call end soon after `cancel` becomes true, with
    /// [`ErrorKind::Interrupted`]. What was received stays and is gone on from.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.cancel = cancel;
        self
    }

    /// The options.
    pub fn options(&self) -> &HubOptions {
        &self.options
    }

    /// The path of one file of a repository; downloads it if it is not cached.
    ///
    /// `repo` is `owner/name`, `revision` a branch, tag or commit. A cached file of
    /// a full commit id is used without a request; for other revisions the hub is
    /// asked once which commit they stand for. If it does not answer, a cached file
    /// is used with a warning. A size or digest in `file` is checked as well.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`]: a name is not one the hub allows;
    /// * [`ErrorKind::NotFound`]: no such repository, revision or file;
    /// * [`ErrorKind::Network`]: no answer, access refused, or offline and not cached;
    /// * [`ErrorKind::InvalidWeights`]: the bytes are not the announced ones;
    /// * [`ErrorKind::Io`]: the cache cannot be written to;
    /// * [`ErrorKind::Interrupted`]: the user stopped it.
    pub fn fetch_file(
        &self,
        repo: &str,
        revision: &str,
        file: &FileEntry<'_>,
        observer: &mut dyn DownloadObserver,
    ) -> Result<PathBuf> {
        let snapshot = self.fetch_folder(repo, revision, std::slice::from_ref(file), observer)?;
        Ok(snapshot.join(names::local_path(file.path)))
    }

    /// Like [`fetch_file`](Self::fetch_file) for several files of one commit.
    /// Returns the folder under which they lie with their paths in the repository.
    ///
    /// # Errors
    ///
    /// See [`fetch_file`](Self::fetch_file); also [`ErrorKind::InvalidInput`] if
    /// `files` is empty.
    pub fn fetch_folder(
        &self,
        repo: &str,
        revision: &str,
        files: &[FileEntry<'_>],
        observer: &mut dyn DownloadObserver,
    ) -> Result<PathBuf> {
        names::check_repository(repo, revision)?;
        files.iter().try_for_each(|file| names::check_file(file.path))?;
        if files.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("no file of {repo} is named")));
        }
        let cache = RepoCache::new(&self.options.cache_dir, repo);
        if self.options.offline || names::is_commit(revision) {
            match cache.complete(revision, files) {
                Some(snapshot) => return Ok(snapshot),
                None if self.options.offline => {
                    return Err(self.offline(&cache, Request { repo, revision, files }));
                }
                None => {}
            }
        }
        let session = Session { options: &self.options, cache: &cache, cancel: &self.cancel };
        session.run(Request { repo, revision, files }, observer)
    }

    /// The paths of all files of a repository, sorted. Offline, or if the hub does
    /// not answer, those of the cached snapshot, which may be fewer.
    ///
    /// # Errors
    ///
    /// See [`fetch_file`](Self::fetch_file).
    pub fn list_files(
        &self,
        repo: &str,
        revision: &str,
        observer: &mut dyn DownloadObserver,
    ) -> Result<Vec<String>> {
        names::check_repository(repo, revision)?;
        let cache = RepoCache::new(&self.options.cache_dir, repo);
        let cached = cache.commit_of(revision).map(|commit| cache.files(&commit));
        let cached = cached.filter(|files| !files.is_empty());
        if self.options.offline {
            return cached.ok_or_else(|| self.offline_error(Target { repo, revision, file: "" }));
        }
        let session = Session { options: &self.options, cache: &cache, cancel: &self.cancel };
        session.list(repo, revision, cached, observer)
    }

    /// The path of a file if it is in the cache with the length known of it.
    /// Never uses the network.
    pub fn cached_file(&self, repo: &str, revision: &str, file: &FileEntry<'_>) -> Option<PathBuf> {
        names::check(Target { repo, revision, file: file.path }).ok()?;
        let cache = RepoCache::new(&self.options.cache_dir, repo);
        let snapshot = cache.complete(revision, std::slice::from_ref(file))?;
        Some(snapshot.join(names::local_path(file.path)))
    }

    /// Reads a cached file whole and compares it with its digest: the one in
    /// `file`, else the one under which the cache stores it. Never uses the network.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not cached, [`ErrorKind::InvalidWeights`]
    /// if it is damaged, [`ErrorKind::Io`] if it cannot be read.
    pub fn verify_file(
        &self,
        repo: &str,
        revision: &str,
        file: &FileEntry<'_>,
    ) -> Result<VerifiedFile> {
        let target = Target { repo, revision, file: file.path };
        names::check(target)?;
        let cache = RepoCache::new(&self.options.cache_dir, repo);
        // A file of the wrong length is to be reported as damaged, not as missing.
        let any_length = FileEntry { size: None, ..*file };
        let path = self.cached_file(repo, revision, &any_length).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{target} is not in the cache"))
                .with_hint(pull_hint(target))
        })?;
        let blob = cache.blob_of(&path);
        let etag = blob.as_ref().map(|(_, etag)| etag.as_str());
        let sha256 = file.sha256.or(etag.filter(|etag| names::is_sha256(etag)));
        let expected = Expected { size: file.size, sha256 };
        let size = length(&path)?;
        let found = digest::file(&path)?;
        let checked = expected.check_size(size).and_then(|()| expected.check_digest(&found));
        checked.map_err(|error| {
            let stored = blob.as_ref().map_or(path.as_path(), |(blob, _)| blob.as_path());
            error.context(target).with_hint(format!(
                "Delete {}, then: {}",
                stored.display(),
                pull_hint(target)
            ))
        })?;
        let digest_known = sha256.is_some();
        Ok(VerifiedFile { path, size, sha256: found, digest_known })
    }

    fn offline(&self, cache: &RepoCache, request: Request<'_>) -> Error {
        let Request { repo, revision, files } = request;
        let commit = cache.commit_of(revision);
        let is_there =
            |file: &&FileEntry<'_>| commit.as_deref().is_some_and(|commit| cache.has(commit, file));
        let missing = files.iter().find(|file| !is_there(file)).map_or("", |file| file.path);
        self.offline_error(Target { repo, revision, file: missing })
    }

    fn offline_error(&self, target: Target<'_>) -> Error {
        let cache = self.options.cache_dir.display();
        let message =
            format!("{target} is not in the cache {cache} and the network is not to be used");
        Error::new(ErrorKind::Network, message).with_hint(pull_hint(target))
    }
}

/// How to get a file into the cache.
fn pull_hint(target: Target<'_>) -> String {
    let known = registry::owner_of(target.repo, target.revision, target.file);
    let name = known.map_or_else(|| format!("hub:{target}"), |entry| entry.name.to_owned());
    format!("Run `hps-loop models pull {name}` with a network.")
}
