//! Settings from files, environment and flags.
//!
//! Later sources win: the built-in `default.toml`, `hps-loop.toml` in the working
//! folder, the file named with `--config`, variables `HPS_LOOP_*`, flags. Start at
//! [`ConfigLoader`].
//!
//! Variables name keys in capitals: `__` goes into a table and `_` stands for `-`,
//! so `HPS_LOOP_GENERATE__BEST_OF` is `generate.best-of`. Tables whose keys are free
//! (`weights`, `arch`) are one variable each, `HPS_LOOP_WEIGHTS="ID=FILE,ID=FILE"`,
//! since reward ids do not fit into names of variables. Empty variables count as not
//! set. Relative paths are relative to the working folder, wherever they are written.
//!
//! # Invariants
//!
//! Every key of every source is checked on its own before anything is merged: an
//! unknown key or a wrong type is an error that names the source, even if a later
//! source would have replaced the value.

mod layer;
mod leaf;
mod loader;
mod origin;
mod schema;
mod show;
mod suggest;
mod toml_file;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hps_core::{DeviceSpec, Precision};
use serde::{Deserialize, Serialize};

pub use leaf::Leaf;
pub use loader::{ConfigLoader, FILE_NAME, Loaded, Override, Setting};
pub use origin::Origin;

/// All settings. The built-in values are those of `default.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where models run.
    pub device: DeviceSpec,
    /// The arithmetic of models.
    pub precision: Precision,
    /// Processor threads; 0 is one per core.
    pub threads: usize,
    /// Settings of `hps-loop score`.
    pub score: ScoreConfig,
    /// Settings of `hps-loop generate`.
    pub generate: GenerateConfig,
    /// Local weights by reward id.
    #[serde(default)]
    pub weights: BTreeMap<String, String>,
    /// Architecture descriptions in open_clip's form, by reward id.
    #[serde(default)]
    pub arch: BTreeMap<String, PathBuf>,
    /// Settings of downloads.
    pub hub: HubConfig,
}

/// Settings of `hps-loop score`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScoreConfig {
    /// The reward, or several as `ID=WEIGHT,ID=WEIGHT`; empty if not set.
    pub reward: String,
    /// The resize policy: `antialias` or `no-antialias`.
    pub preprocess: String,
    /// Pictures per forward pass, at least 1; `None` leaves it to the device.
    pub batch_size: Option<usize>,
    /// How results are printed.
    pub format: String,
    /// How several rewards become one score: `sum`, `zscore`, `rank` or `min`.
    pub combine: String,
}

/// Settings of `hps-loop generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GenerateConfig {
    /// A path, `bundled:NAME` or a name on the hub.
    pub model: String,
    /// The reward that ranks; empty if not set.
    pub reward: String,
    /// Candidates per prompt, at least 1.
    pub best_of: u32,
    /// The seed.
    pub seed: u64,
    /// The folder in which runs without `--out` make theirs.
    pub out: PathBuf,
    /// Candidates per forward pass, at least 1; `None` leaves it to the device.
    pub batch_size: Option<usize>,
    /// Denoising steps, at least 1; `None` is the model's default.
    pub num_inference_steps: Option<u32>,
    /// Classifier-free guidance, finite; `None` is the model's default.
    pub guidance_scale: Option<f32>,
    /// The sampler's id; `None` is the model's default.
    pub scheduler: Option<String>,
    /// Width in pixels, at least 1; `None` is the model's default.
    pub width: Option<u32>,
    /// Height in pixels, at least 1; `None` is the model's default.
    pub height: Option<u32>,
    /// What to steer away from.
    pub negative_prompt: Option<String>,
}

/// Settings of downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HubConfig {
    /// Never use the network.
    pub offline: bool,
}

#[cfg(test)]
mod tests;
