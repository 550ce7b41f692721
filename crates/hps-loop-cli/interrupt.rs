//! Ctrl-C: the first asks to stop and keep what is done, the second ends at once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Makes the first Ctrl-C (or termination signal) set `flag`.
///
/// Call it once, right before work that looks at the flag: from then on the first
/// Ctrl-C ends nothing by itself. A hang-up is left to the system, so that `nohup`
/// works.
///
/// # Errors
///
/// When the handler cannot be installed.
#[cfg(unix)]
pub fn watch(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::clone(flag);
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .context("cannot watch for Ctrl-C")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(|_| stop(&flag)))
        .context("cannot watch for Ctrl-C")?;
    Ok(())
}

/// Makes the first Ctrl-C set `flag`.
///
/// # Errors
///
/// When the handler cannot be installed.
#[cfg(not(unix))]
pub fn watch(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let flag = Arc::clone(flag);
    ctrlc::set_handler(move || stop(&flag)).context("cannot watch for Ctrl-C")
}

fn stop(flag: &AtomicBool) {
    if flag.swap(true, Ordering::Relaxed) {
        std::process::exit(130);
    }
    let text = "stopping after the current step; press Ctrl-C again to end at once";
    // A closed standard error must not stop the shutdown.
    let _ = writeln!(std::io::stderr(), "{text}");
}
