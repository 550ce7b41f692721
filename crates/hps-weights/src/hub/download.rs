//! Bringing one file's bytes to disk, whole and checked.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hps_core::{Error, ErrorKind, Result};

use super::cache::{RepoCache, create_parent, remove_if_present};
use super::client::{Client, Metadata};
use super::expected::Expected;
use super::failure::{Failure, write_error};
use super::lock::Lock;
use super::names::{self, Target};
use super::retry::{check_cancelled, with_retries};
use super::{DownloadObserver, HubOptions};

const BUFFER: usize = 1 << 18;

/// What all downloads of one call share.
pub(super) struct Downloader<'a> {
    pub(super) options: &'a HubOptions,
    pub(super) client: &'a Client<'a>,
    pub(super) cache: &'a RepoCache,
    pub(super) cancel: &'a AtomicBool,
}

/// One file to bring.
pub(super) struct Job<'a> {
    /// The file at a fixed commit, so that a branch that moves between two tries
    /// cannot mix two files.
    pub(super) target: Target<'a>,
    pub(super) metadata: &'a Metadata,
    /// A digest from elsewhere than the hub.
    pub(super) sha256: Option<&'a str>,
}

impl Job<'_> {
    fn expected(&self) -> Expected<'_> {
        let etag = self.metadata.etag.as_str();
        let sha256 = self.sha256.or_else(|| names::is_sha256(etag).then_some(etag));
        Expected { size: self.metadata.size, sha256 }
    }
}

impl Downloader<'_> {
    /// Makes sure that the file is in its snapshot, and says where.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Network`] and [`ErrorKind::NotFound`] from the hub,
    /// [`ErrorKind::InvalidWeights`] if the bytes are wrong twice,
    /// [`ErrorKind::Io`] if the cache cannot be written to and
    /// [`ErrorKind::Interrupted`]; after the last two the received part stays.
    pub(super) fn fetch(
        &self,
        job: &Job<'_>,
        observer: &mut dyn DownloadObserver,
    ) -> Result<PathBuf> {
        let Metadata { commit, etag, size } = job.metadata;
        let name = job.target.file;
        let lock = Lock::acquire(&self.cache.lock(etag), self.cancel, || {
            observer.waiting_for_lock(name);
        })?;
        // Whoever had the lock may have brought the file.
        let blob = self.cache.blob(etag);
        let present = fs::metadata(&blob).ok();
        if !present.is_some_and(|blob| size.is_none_or(|size| size == blob.len())) {
            let partial = self.cache.partial(etag, lock.is_exclusive());
            create_parent(&partial)?;
            self.download(job, &partial, observer)?;
            fs::rename(&partial, &blob).map_err(|error| write_error(&blob, error))?;
            let pointer = self.cache.link(commit, name, etag)?;
            observer.finished(name, &pointer);
            return Ok(pointer);
        }
        self.cache.link(commit, name, etag)
    }

    /// Brings all bytes into `partial` and checks them; starts over once if they
    /// are wrong, since they may come from an older, damaged part.
    fn download(
        &self,
        job: &Job<'_>,
        partial: &Path,
        observer: &mut dyn DownloadObserver,
    ) -> Result<()> {
        for last in [false, true] {
            with_retries(self.options, self.cancel, observer, |observer| {
                self.transfer(job, partial, observer)
            })?;
            observer.verifying(job.target.file);
            let error = match job.expected().check(partial) {
                Err(error) if error.kind() == ErrorKind::InvalidWeights => error,
                other => return other,
            };
            remove_if_present(partial)?;
            let error = error.context(job.target);
            if last {
                return Err(error.with_hint(
                    "The file was damaged on the way or replaced on the hub; try again later.",
                ));
            }
            tracing::warn!(%error, "the download is damaged, starting over");
            observer.retry(error.message(), std::time::Duration::ZERO);
        }
        Ok(())
    }

    /// One try at the bytes that are still missing.
    fn transfer(
        &self,
        job: &Job<'_>,
        partial: &Path,
        observer: &mut dyn DownloadObserver,
    ) -> Result<(), Failure> {
        let failed = |error| Failure::Fatal(write_error(partial, error));
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(partial)
            .map_err(failed)?;
        let present = file.metadata().map_err(failed)?.len();
        let size = job.metadata.size;
        if size == Some(present) {
            return Ok(());
        }
        let wanted = if size.is_some_and(|size| present > size) { 0 } else { present };
        let content = self.client.content(job.target, wanted)?;
        file.set_len(content.offset).map_err(failed)?;
        file.seek(SeekFrom::Start(content.offset)).map_err(failed)?;
        observer.start(job.target.file, size, content.offset);

        let received = self.copy(job, content.body.into_reader(), &mut file, partial, observer)?;
        file.sync_all().map_err(failed)?;
        let present = content.offset + received;
        match size {
            Some(size) if present < size => {
                let message =
                    format!("{}: the connection ended after {present} of {size} bytes", job.target);
                Err(Failure::transient(Error::new(ErrorKind::Network, message)).after(received))
            }
            // Too many bytes are for the check that follows.
            _ => Ok(()),
        }
    }

    /// Copies until the answer ends, and says how many bytes that were.
    fn copy(
        &self,
        job: &Job<'_>,
        mut body: impl Read,
        file: &mut File,
        partial: &Path,
        observer: &mut dyn DownloadObserver,
    ) -> Result<u64, Failure> {
        let context = self.client.context(job.target);
        let mut buffer = vec![0; BUFFER];
        let mut received = 0;
        loop {
            check_cancelled(self.cancel)?;
            let count = body
                .read(&mut buffer)
                .map_err(|error| context.connection(ureq::Error::from(error)).after(received))?;
            if count == 0 {
                return Ok(received);
            }
            let chunk = buffer.get(..count).unwrap_or_default();
            file.write_all(chunk).map_err(|error| write_error(partial, error))?;
            received += chunk.len() as u64;
            observer.advance(chunk.len() as u64);
        }
    }
}
