//! How exactly a model computes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The arithmetic of a model's forward pass. It is part of every record, since
/// scores of different precisions differ in their last digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Precision {
    /// Products and sums in 32-bit floats: the reference.
    F32,
    /// Products of 16-bit weights as exact as 32-bit floats are, in whatever way the
    /// processor does fastest: a score differs from `f32` by at most 2e-6.
    #[default]
    Accurate,
    /// Operands of products rounded to bf16 where the processor multiplies those faster;
    /// sums, norms and residuals in 32 bits: a score differs by at most 8e-4.
    Fast,
}

impl Precision {
    /// Every precision that can be asked for.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Accurate, Precision::Fast];

    /// The name used in records and options.
    pub fn id(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Accurate => "accurate",
            Precision::Fast => "fast",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Precision::ALL.into_iter().find(|precision| precision.id() == text).ok_or_else(|| {
            let known: Vec<_> = Precision::ALL.iter().map(|precision| precision.id()).collect();
            Error::new(ErrorKind::InvalidConfig, format!("unknown precision '{text}'"))
                .with_hint(format!("This build computes in: {}.", known.join(", ")))
        })
    }
}
