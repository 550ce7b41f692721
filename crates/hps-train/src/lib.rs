//! Preference data, fine-tuning of CLIP rewards, and how well they agree with people.
//!
//! * [`data`]: comparisons of pictures by people, read from the formats in use,
//!   checked, put in a reproducible order and decoded ahead of the model;
//! * [`eval`]: how often a reward agrees with people, with intervals;
//! * [`prompts`]: style words of prompts, and prompts without them;
//! * [`model`]: CLIP with gradients, [`initial`]: weights to train from scratch,
//!   [`lock`]: which of them are trained;
//! * [`loss`], [`optimiser`], [`schedule`]: how they are trained; [`trainer`]: one step;
//! * [`run`]: a whole run in a folder, with [`checkpoint`]s and a [`log`].
//!
//! # Invariants
//!
//! * A broken item is skipped and counted, never replaced by another one.
//! * Every random number is a function of a seed: orders, batches and intervals are
//!   the same on every machine and after a resume.
//! * This crate decodes no pictures and opens no models of other crates: pictures
//!   come through [`data::PictureSource`], scores as numbers.

pub mod checkpoint;
pub mod data;
mod durable;
pub mod eval;
pub mod initial;
pub mod lock;
pub mod log;
pub mod loss;
pub mod model;
pub mod optimiser;
pub mod prompts;
pub mod run;
pub mod schedule;
pub mod trainer;
