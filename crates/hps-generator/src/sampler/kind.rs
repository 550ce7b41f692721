//! Samplers by name.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind};

/// The samplers of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SamplerKind {
    /// `ddim`; diffusers' `DDIMScheduler`.
    Ddim,
    /// `euler`; diffusers' `EulerDiscreteScheduler`.
    Euler,
}

impl SamplerKind {
    /// Every sampler.
    pub const ALL: [SamplerKind; 2] = [SamplerKind::Ddim, SamplerKind::Euler];

    /// The identifier used in options and records.
    pub fn id(self) -> &'static str {
        match self {
            SamplerKind::Ddim => "ddim",
            SamplerKind::Euler => "euler",
        }
    }

    /// The name of the same algorithm in diffusers.
    pub fn class_name(self) -> &'static str {
        match self {
            SamplerKind::Ddim => "DDIMScheduler",
            SamplerKind::Euler => "EulerDiscreteScheduler",
        }
    }

    /// The sampler that diffusers calls `name`, if it is one of these.
    pub fn from_class_name(name: &str) -> Option<Self> {
        SamplerKind::ALL.into_iter().find(|kind| kind.class_name() == name)
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for SamplerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        SamplerKind::ALL.into_iter().find(|kind| kind.id() == text).ok_or_else(|| {
            let known: Vec<_> = SamplerKind::ALL.iter().map(|kind| kind.id()).collect();
            Error::new(ErrorKind::InvalidConfig, format!("unknown scheduler '{text}'"))
                .with_hint(format!("The schedulers are: {}.", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in SamplerKind::ALL {
            assert_eq!(kind.id().parse::<SamplerKind>().unwrap(), kind);
            assert_eq!(SamplerKind::from_class_name(kind.class_name()), Some(kind));
        }
        let error = "dpm++2m".parse::<SamplerKind>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.hint().unwrap().contains("ddim, euler"));
    }
}
