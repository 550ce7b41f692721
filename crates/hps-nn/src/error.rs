//! From tensor errors to the project's.

use hps_core::{Error, ErrorKind};

/// A tensor operation's failure as an [`Error`] of kind `model`.
///
/// Use it as `.map_err(model_error)` where a crate's interface returns
/// [`hps_core::Result`].
pub fn model_error(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Model, error.to_string()).with_source(error)
}
