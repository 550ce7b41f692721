//! Generate images from text, score every one with HPS v2, keep the best.
//!
//! This is the crate an embedding program depends on.
//!
//! ```no_run
//! use hps_loop::{Image, Scorer};
//!
//! let scorer = Scorer::builder().reward("hps-v2.1").build()?;
//! let image = Image::from_rgb8(2, 2, vec![127; 12])?;
//! println!("{}", scorer.score(&image, "a grey square")?);
//! # Ok::<(), hps_loop::Error>(())
//! ```
//!
//! * [`Scorer`]: rewards that are loaded and stay; one picture, a batch, a
//!   ranking, or any number of files;
//! * [`Pipeline`]: a generator and a scorer: draw candidates, keep the best;
//! * [`generate`]: the same into a folder that survives a crash and is resumed;
//! * [`data`]: comparisons of pictures by people, checked against a folder;
//! * [`eval`]: how often rewards agree with people;
//! * [`train`]: new rewards from people's choices;
//! * [`ModelStore`]: from a model's name to its files;
//! * [`config`]: layered configuration.
//!
//! Your own generator or reward is a type that implements [`Generator`] or
//! [`Reward`].

pub mod bench;
pub mod bundled;
pub mod config;
pub mod data;
mod download;
mod draw;
pub mod eval;
pub mod generate;
mod models;
mod pipeline;
pub mod prompts;
mod scorer;
mod stream;
mod threads;
pub mod train;
mod verify;

pub use download::Downloads;
pub use draw::{DrawOptions, draw_candidates, group_scores};
pub use models::{BUNDLED_GENERATOR, BUNDLED_REWARD, FoundGenerator, FoundReward, ModelStore};
pub use pipeline::{Drawn, Pipeline, PipelineBuilder};
pub use scorer::{Ranked, Scorer, ScorerBuilder};
pub use stream::{ScoreItem, ScoreOutcome, StreamOptions};
pub use threads::init_threads;
pub use verify::VerifyOptions;

pub use hps_clip::ClipConfig;
pub use hps_core::{
    Candidate, DeviceSpec, Error, ErrorKind, Event, Generator, GeneratorInfo, Image, NoiseKey,
    NoiseTag, Observer, Pair, Precision, Prepared, PreparedPair, Prompt, Result, Reward,
    RewardInfo, SampleDefaults, SampleOptions, SampleSpec, Score, Seed, Session, Silent, Style,
    Warning, WarningKind, rank_descending,
};
pub use hps_nn::{Kernel, KernelChoice, kernel, kernel_name, open_device};
pub use hps_reward::decode::{DecodeOptions, Decoded, decode, decode_file};
pub use hps_reward::preprocess::ResizePolicy;
pub use hps_reward::{Combine, RewardKind, RewardSpec};
pub use hps_weights as weights;
