//! What a download reports while it works.

use std::path::Path;
use std::time::Duration;

/// Somebody who watches downloads: a progress bar, a log, a test.
///
/// Every method is called from the thread that called [`Hub`](super::Hub), and
/// does nothing unless overridden. Files are named by their path in the
/// repository. For one file the order is: [`waiting_for_lock`] at most once,
/// then [`start`], [`advance`]… and, after a failure, [`retry`] and `start`
/// again; in the end [`verifying`] and [`finished`]. Files that are already
/// cached report nothing.
///
/// [`waiting_for_lock`]: DownloadObserver::waiting_for_lock
/// [`start`]: DownloadObserver::start
/// [`advance`]: DownloadObserver::advance
/// [`retry`]: DownloadObserver::retry
/// [`verifying`]: DownloadObserver::verifying
/// [`finished`]: DownloadObserver::finished
pub trait DownloadObserver {
    /// Bytes of `file` begin to arrive. `size` is the whole file in bytes, if the
    /// hub says so; the first `resumed_from` bytes are there from an earlier try.
    fn start(&mut self, file: &str, size: Option<u64>, resumed_from: u64) {
        let _ = (file, size, resumed_from);
    }

    /// This many more bytes of the started file are on disk.
    fn advance(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// Another process or thread downloads `file`; this one waits for it.
    fn waiting_for_lock(&mut self, file: &str) {
        let _ = file;
    }

    /// A try failed because of `why`; the next one begins after `delay`.
    fn retry(&mut self, why: &str, delay: Duration) {
        let _ = (why, delay);
    }

    /// All bytes of `file` are there and are being checked.
    fn verifying(&mut self, file: &str) {
        let _ = file;
    }

    /// `file` is complete and lies at `path`.
    fn finished(&mut self, file: &str, path: &Path) {
        let _ = (file, path);
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilentDownload;

impl DownloadObserver for SilentDownload {}
