//! Trying again: how often, and how long to wait between tries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hps_core::{Error, ErrorKind, Result};

use super::failure::Failure;
use super::{DownloadObserver, HubOptions};

/// A try that brought this many bytes does not count as a failure in a row, so
/// that a large file survives any number of broken connections, while a server
/// that sends nothing useful does not keep us for ever.
const PROGRESS: u64 = 1 << 20;

/// Longest wait that doubling leads to.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// How often a waiting thread looks whether it should stop.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Stops the work if the user asked for it.
///
/// # Errors
///
/// [`ErrorKind::Interrupted`] once `cancel` is set.
pub(super) fn check_cancelled(cancel: &AtomicBool) -> Result<()> {
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Interrupted, "the download was stopped").with_hint(
            "What was received is kept; run the same command again to go on from there.",
        ));
    }
    Ok(())
}

/// Runs `attempt` until it works, fails for good, or has failed too often in a
/// row. The wait between tries ends early when `cancel` is set.
///
/// # Errors
///
/// The last failure, or [`ErrorKind::Interrupted`].
pub(super) fn with_retries<T>(
    options: &HubOptions,
    cancel: &AtomicBool,
    observer: &mut dyn DownloadObserver,
    mut attempt: impl FnMut(&mut dyn DownloadObserver) -> Result<T, Failure>,
) -> Result<T> {
    let mut failures = 0;
    loop {
        check_cancelled(cancel)?;
        let outcome = attempt(observer);
        let (error, retry_after, received) = match outcome {
            Ok(value) => return Ok(value),
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::Transient { error, retry_after, received }) => {
                (error, retry_after, received)
            }
        };
        // A stop breaks connections, so it looks like a failure of the network.
        check_cancelled(cancel)?;
        failures = if received >= PROGRESS { 1 } else { failures + 1 };
        if failures > options.max_retries {
            return Err(error);
        }
        let delay = match retry_after {
            Some(wish) if wish > options.max_retry_after => {
                return Err(error.context(format!("the hub asks to wait {} s", wish.as_secs())));
            }
            Some(wish) => wish,
            None => backoff(options.retry_delay, failures),
        };
        tracing::debug!(error = error.full_message(), ?delay, failures, "trying again");
        observer.retry(&error.full_message(), delay);
        sleep(delay, cancel)?;
    }
}

/// The wait after so many failures in a row, counted from 1.
fn backoff(first: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor).min(MAX_DELAY.max(first))
}

fn sleep(delay: Duration, cancel: &AtomicBool) -> Result<()> {
    let start = Instant::now();
    loop {
        check_cancelled(cancel)?;
        match delay.saturating_sub(start.elapsed()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(POLL)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hub::SilentDownload;

    fn options() -> HubOptions {
        let mut options = HubOptions::new("/nowhere");
        options.max_retries = 3;
        options.retry_delay = Duration::ZERO;
        options
    }

    fn broken(received: u64) -> Failure {
        Failure::transient(Error::new(ErrorKind::Network, "broken")).after(received)
    }

    /// Runs failing attempts and says how many there were.
    fn attempts(received: impl Fn(u32) -> u64, limit: u32) -> u32 {
        let mut count = 0;
        let result = with_retries(
            &options(),
            &AtomicBool::new(false),
            &mut SilentDownload,
            |_| -> Result<(), Failure> {
                count += 1;
                if count == limit { Ok(()) } else { Err(broken(received(count))) }
            },
        );
        assert_eq!(result.is_ok(), count == limit);
        count
    }

    #[test]
    fn tries_are_bounded_unless_there_is_progress() {
        assert_eq!(attempts(|_| 0, 100), 4);
        assert_eq!(attempts(|_| PROGRESS - 1, 100), 4);
        assert_eq!(attempts(|_| PROGRESS, 100), 100);
        // Two failures, then progress, then the count starts over.
        assert_eq!(attempts(|n| if n == 3 { PROGRESS } else { 0 }, 100), 6);
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let second = Duration::from_secs(1);
        let delays: Vec<u64> = (1..=7).map(|n| backoff(second, n).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(second, u32::MAX), MAX_DELAY);
    }

    #[test]
    fn an_immodest_wish_ends_the_tries() {
        let result = with_retries(
            &options(),
            &AtomicBool::new(false),
            &mut SilentDownload,
            |_| -> Result<(), Failure> {
                Err(Failure::Transient {
                    error: Error::new(ErrorKind::Network, "busy"),
                    retry_after: Some(Duration::from_secs(86_400)),
                    received: 0,
                })
            },
        );
        assert!(result.unwrap_err().message().contains("86400 s"));
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let cancel = AtomicBool::new(false);
        let result = with_retries(
            &HubOptions { retry_delay: Duration::from_secs(3600), ..options() },
            &cancel,
            &mut StopOnRetry(&cancel),
            |_| -> Result<(), Failure> { Err(broken(0)) },
        );
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    }

    struct StopOnRetry<'a>(&'a AtomicBool);

    impl DownloadObserver for StopOnRetry<'_> {
        fn retry(&mut self, _why: &str, _delay: Duration) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
