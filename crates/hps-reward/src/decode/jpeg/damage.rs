//! Why a JPEG stream cannot be decoded.

use hps_core::Error;

use super::super::failure::{corrupt, truncated, unsupported};
use super::super::sniff::Format;

/// A small error for the inner loops, turned into [`Error`] at the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// The data ends before the picture does.
    Truncated,
    /// The data contradicts itself; what and how.
    Corrupt(&'static str),
    /// A kind of JPEG that neither Pillow nor this decoder reads, or hardly
    /// anybody writes.
    Unsupported(&'static str),
}

pub(super) type Outcome<T> = Result<T, Damage>;

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Truncated => truncated(Format::Jpeg),
            Damage::Corrupt(what) => corrupt(Format::Jpeg, what),
            Damage::Unsupported(what) => unsupported(Format::Jpeg, what),
        }
    }
}
