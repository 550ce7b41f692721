//! Waiting between tries, together: an endpoint that is busy is busy for all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;

/// Longest wait that doubling leads to.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// How often a waiting thread looks whether it should stop.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Until when no request may be made.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Mutex<Option<Instant>>,
}

impl Pause {
    /// No requests for so long from now on, unless a longer pause is under way.
    pub(super) fn extend(&self, delay: Duration) {
        let until = Instant::now().checked_add(delay);
        let mut current = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (*current).max(until);
    }

    /// Waits until requests may be made.
    pub(super) fn wait(&self, stop: &AtomicBool) -> Result<(), Failure> {
        loop {
            let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None | Some(Duration::ZERO) => return look(stop),
                Some(left) => sleep(left.min(POLL), stop)?,
            }
        }
    }
}

/// Sleeps, unless it is time to stop.
pub(super) fn sleep(delay: Duration, stop: &AtomicBool) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        look(stop)?;
        match delay.saturating_sub(begun.elapsed()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(POLL)),
        }
    }
}

fn look(stop: &AtomicBool) -> Result<(), Failure> {
    if stop.load(Ordering::Relaxed) { Err(Failure::Stopped) } else { Ok(()) }
}

/// The wait after so many failures in a row, counted from 1.
pub(super) fn backoff(first: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor).min(MAX_DELAY.max(first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let delays: Vec<u64> =
            (1..=7).map(|n| backoff(Duration::from_secs(1), n).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_pause_holds_until_it_is_over_or_stopped() {
        let (pause, stop) = (Pause::default(), AtomicBool::new(false));
        assert!(pause.wait(&stop).is_ok());
        pause.extend(Duration::from_millis(60));
        pause.extend(Duration::ZERO);
        let begun = Instant::now();
        assert!(pause.wait(&stop).is_ok());
        assert!(begun.elapsed() >= Duration::from_millis(55));
        pause.extend(Duration::from_secs(3600));
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(pause.wait(&stop), Err(Failure::Stopped)));
    }
}
