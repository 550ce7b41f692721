//! How decoders' errors are told.

use std::error::Error as StdError;
use std::io;

use hps_core::{Error, ErrorKind};

use super::sniff::Format;

/// The data ends before the picture does.
pub(super) fn truncated(format: Format) -> Error {
    Error::new(
        ErrorKind::CorruptImage,
        format!("image file is truncated: the {format} data ends early"),
    )
    .with_hint("Fetch or draw the picture again.")
}

/// The data contradicts itself or the format.
pub(super) fn corrupt(format: Format, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let source = source.into();
    if ends_early(source.as_ref()) {
        return truncated(format).with_source(source);
    }
    Error::new(ErrorKind::CorruptImage, format!("damaged {format} data")).with_source(source)
}

/// The data is sound but of a kind that cannot be read.
pub(super) fn unsupported(
    format: Format,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> Error {
    Error::new(ErrorKind::UnsupportedFormat, format!("this kind of {format} is not supported"))
        .with_source(source)
        .with_hint("Convert the picture to 8-bit PNG.")
}

/// Whether an error or one of its causes is the end of the data.
fn ends_early(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    false
}
