//! The words of hps-loop and the traits its plug-ins implement.
//!
//! This crate is what every other crate agrees on. Read it in this order:
//!
//! * [`Prompt`], [`Style`]: what is asked for;
//! * [`Seed`], [`NoiseKey`]: where every random draw comes from;
//! * [`Image`]: host RGB8, the only form of a picture between crates;
//! * [`Generator`], [`Session`], [`SampleSpec`]: how pictures are made, step by step;
//! * [`Reward`], [`Score`]: how pictures are judged;
//! * [`Candidate`], [`Event`], [`Observer`]: what a run reports;
//! * [`Error`], [`ErrorKind`]: what can go wrong.
//!
//! # Invariants
//!
//! Nothing here touches a disk, a clock, the environment or a random state, and
//! no signature mentions a tensor: models keep their state behind opaque values
//! ([`Prepared`], [`Session`]).

mod candidate;
mod device;
mod error;
mod event;
mod generator;
mod image;
mod precision;
mod prompt;
mod reward;
mod score;
mod seed;
mod warning;

pub use candidate::Candidate;
pub use device::DeviceSpec;
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Observer, Silent};
pub use generator::{Generator, GeneratorInfo, SampleDefaults, SampleOptions, SampleSpec, Session};
pub use image::Image;
pub use precision::Precision;
pub use prompt::{Prompt, Style};
pub use reward::{Pair, Prepared, PreparedPair, Reward, RewardInfo};
pub use score::{Score, rank_descending};
pub use seed::{NoiseKey, NoiseTag, Seed};
pub use warning::{Warning, WarningKind};
