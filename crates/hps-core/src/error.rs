//! One error type for the whole project.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Result of any hps-loop operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
///
/// The message names the thing that failed (a file, a tensor, a key). The hint,
/// where there is one, is a full sentence that says what to do next. The kind is
/// stable and machine-readable; it is written to every error record.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The category of an [`Error`], written to records in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, model or name does not exist.
    NotFound,
    /// Reading or writing failed.
    Io,
    /// The content is not an image format that can be read.
    UnsupportedFormat,
    /// The content is an image, but damaged or cut short.
    CorruptImage,
    /// The image has more pixels than the limit allows.
    ImageTooLarge,
    /// A weights file is damaged, unsafe, or does not fit the architecture.
    InvalidWeights,
    /// A configuration file, option or architecture description is wrong.
    InvalidConfig,
    /// An input other than configuration is wrong (a prompt, a line of JSON).
    InvalidInput,
    /// The network is needed and failed, or is not allowed.
    Network,
    /// A result is NaN or infinite.
    NotFinite,
    /// A model's forward pass failed.
    Model,
    /// The user asked to stop.
    Interrupted,
    /// The state on disk belongs to somebody else or to another run.
    Conflict,
}

impl ErrorKind {
    /// The name used in records, e.g. `corrupt_image`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not_found",
            ErrorKind::Io => "io",
            ErrorKind::UnsupportedFormat => "unsupported_format",
            ErrorKind::CorruptImage => "corrupt_image",
            ErrorKind::ImageTooLarge => "image_too_large",
            ErrorKind::InvalidWeights => "invalid_weights",
            ErrorKind::InvalidConfig => "invalid_config",
            ErrorKind::InvalidInput => "invalid_input",
            ErrorKind::Network => "network",
            ErrorKind::NotFinite => "not_finite",
            ErrorKind::Model => "model",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Conflict => "conflict",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// A new error of `kind` whose message says what failed and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds what to do next, as a full sentence.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts `context` and a colon before the message, keeping kind and hint.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The category.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed and where, without the hint and without the cause.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The message followed by every cause that it does not already quote.
    pub fn full_message(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let part = error.to_string();
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_names_match_their_serialised_form() {
        let kinds = [ErrorKind::NotFound, ErrorKind::CorruptImage, ErrorKind::NotFinite];
        for kind in kinds {
            let json = format!("{:?}", kind.as_str());
            let back: ErrorKind = serde_json::from_str(&json).expect("every name parses back");
            assert_eq!(back, kind);
        }
    }

    #[test]
    fn full_message_lists_causes_once() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::new(ErrorKind::Io, "cannot read x.png").with_source(cause);
        assert_eq!(error.full_message(), "cannot read x.png: disk on fire");
        let error = Error::new(ErrorKind::Io, "cannot read: disk on fire")
            .with_source(std::io::Error::other("disk on fire"));
        assert_eq!(error.full_message(), "cannot read: disk on fire");
    }
}
