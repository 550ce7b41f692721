//! Ctrl-C: the first asks to stop and keep what is done, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// A flag that the first Ctrl-C (or termination signal) sets.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let handler = {
        let flag = Arc::clone(&flag);
        move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprint_line("stopping after the current step; press Ctrl-C again to end at once");
        }
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")?;
    Ok(flag)
}

fn eprint_line(text: &str) {
    use std::io::Write;
    // A closed standard error must not stop the shutdown.
    let _ = writeln!(std::io::stderr(), "{text}");
}
