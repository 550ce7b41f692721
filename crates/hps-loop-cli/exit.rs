//! Exit statuses, and how an error that ends the program is shown.

use std::io::{self, Write};
use std::process::ExitCode;

use hps_loop::{Error, ErrorKind};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything is fine.
    Success,
    /// 1: finished, but some items failed.
    SomeFailed,
    /// 2: could not run: usage, configuration, missing weights.
    CannotRun,
    /// 3: a gate such as `--threshold` failed.
    GateFailed,
    /// 130: interrupted; results so far are kept.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::SomeFailed => 1,
            Exit::CannotRun => 2,
            Exit::GateFailed => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// Prints an error with its causes and its hint, and says how to end.
///
/// A closed pipe is no error: whoever reads our output has seen enough.
pub fn report(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Success;
    }
    let mut stderr = io::stderr().lock();
    match error.downcast_ref::<Error>() {
        Some(error) => {
            // Nothing can be done when standard error is closed as well.
            let _ = writeln!(stderr, "error: {}", error.full_message());
            if let Some(hint) = error.hint() {
                let _ = writeln!(stderr, "hint: {hint}");
            }
            match error.kind() {
                ErrorKind::Interrupted => Exit::Interrupted,
                _ => Exit::CannotRun,
            }
        }
        None => {
            let _ = writeln!(stderr, "error: {error:#}");
            Exit::CannotRun
        }
    }
}

/// Only errors of writing output are bare: those of the library are an [`Error`],
/// so that a lost connection to a hub is not taken for a closed pipe.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = match (error.downcast_ref::<io::Error>(), error.downcast_ref::<csv::Error>()) {
        (Some(error), _) => Some(error.kind()),
        (_, Some(error)) => match error.kind() {
            csv::ErrorKind::Io(error) => Some(error.kind()),
            _ => None,
        },
        _ => error.downcast_ref::<serde_json::Error>().and_then(|e| e.io_error_kind()),
    };
    kind == Some(io::ErrorKind::BrokenPipe)
}
