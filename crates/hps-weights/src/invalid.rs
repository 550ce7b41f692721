//! Errors about the content of a weights file.

use std::fmt;

use hps_core::{Error, ErrorKind};

/// `file` cannot be used because of `what`.
pub(crate) fn invalid(file: &str, what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidWeights, format!("{file}: {what}"))
}

/// `file` ends too early; `missing` bytes are known to be absent.
pub(crate) fn cut_short(file: &str, missing: Missing) -> Error {
    let what = match missing {
        Missing::Exactly(bytes) => format!("the file is cut short: {bytes} bytes are missing"),
        Missing::AtLeast(bytes) => {
            format!("the file is cut short: at least {bytes} bytes are missing")
        }
        Missing::Unknown => "the file is cut short: its end is missing".to_owned(),
    };
    invalid(file, what).with_hint("Download or copy it again, and compare its size and digest.")
}

/// How much of a file that was cut short is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Exactly(u64),
    AtLeast(u64),
    Unknown,
}
