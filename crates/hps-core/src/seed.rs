//! Keys of random draws.
//!
//! Every random number in a run is a pure function of a [`NoiseKey`]. Nothing
//! keeps a random state, so a draw is the same alone or in a batch, on any
//! device, in a first run or a resumed one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The seed of a run: any 64-bit number. The default is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Seed)
    }
}

/// What a draw is for. The value is part of the key's stable encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoiseTag {
    /// The initial latents.
    Initial,
    /// The noise a stochastic sampler injects at a step.
    Step,
}

impl NoiseTag {
    /// A stable number for hashing.
    pub fn code(self) -> u32 {
        match self {
            NoiseTag::Initial => 0,
            NoiseTag::Step => 1,
        }
    }
}

/// The full name of one random draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseKey<'a> {
    /// The run's seed.
    pub seed: Seed,
    /// The prompt's text, exactly as given.
    pub prompt: &'a str,
    /// The index of the candidate within its prompt, from 0.
    pub candidate: u32,
    /// The sampler's step, from 0.
    pub step: u32,
    /// What the draw is for.
    pub tag: NoiseTag,
}

impl NoiseKey<'_> {
    /// The key's stable byte encoding: little-endian numbers, then the prompt.
    ///
    /// Generators derive their stream from these bytes. Changing the encoding
    /// changes every picture, so it has a version number in front.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + self.prompt.len());
        bytes.extend_from_slice(b"hps-loop noise 1\0");
        bytes.extend_from_slice(&self.seed.0.to_le_bytes());
        bytes.extend_from_slice(&self.candidate.to_le_bytes());
        bytes.extend_from_slice(&self.step.to_le_bytes());
        bytes.extend_from_slice(&self.tag.code().to_le_bytes());
        bytes.extend_from_slice(self.prompt.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_changes_the_key() {
        let key =
            NoiseKey { seed: Seed(1), prompt: "a", candidate: 2, step: 3, tag: NoiseTag::Initial };
        let others = [
            NoiseKey { seed: Seed(2), ..key },
            NoiseKey { prompt: "b", ..key },
            NoiseKey { candidate: 3, ..key },
            NoiseKey { step: 4, ..key },
            NoiseKey { tag: NoiseTag::Step, ..key },
        ];
        for other in others {
            assert_ne!(key.to_bytes(), other.to_bytes());
        }
    }
}
