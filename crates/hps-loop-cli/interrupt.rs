//! Ctrl-C: the first asks to stop and keep what is done, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Makes the first Ctrl-C (or termination signal) set `flag`.
///
/// Call it once, right before work that looks at the flag: from then on the first
/// Ctrl-C ends nothing by itself.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn watch(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let flag = Arc::clone(flag);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprint_line("stopping after the current step; press Ctrl-C again to end at once");
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")
}

fn eprint_line(text: &str) {
    use std::io::Write;
    // A closed standard error must not stop the shutdown.
    let _ = writeln!(std::io::stderr(), "{text}");
}
