//! Image rewards: HPS v2.0 and v2.1, CLIPScore, PickScore, aesthetic.
//!
//! * [`decode`] reads pictures as Pillow does;
//! * [`preprocess`] makes of them what a model reads;
//! * [`ClipReward`] is every reward that is a CLIP underneath; [`RewardKind`]
//!   names them;
//! * [`RewardSpec`] and [`Combine`] make one score of several.
//!
//! Scores compare only between pictures of one prompt under one reward, version
//! and preprocessing.

mod clip_reward;
mod combine;
pub mod decode;
mod head;
mod kind;
pub mod preprocess;
mod spec;
mod text_cache;

pub use clip_reward::{ClipReward, RewardOptions, RewardWeights};
pub use combine::Combine;
pub use kind::RewardKind;
pub use spec::RewardSpec;
