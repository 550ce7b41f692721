//! From sources to settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::layer::{Layer, from_override, from_variable};
use super::leaf::Leaf;
use super::origin::Origin;
use super::{Config, toml_file};

/// The file that is read from the working folder if it is there.
pub const FILE_NAME: &str = "hps-loop.toml";

const DEFAULTS: &str = include_str!("default.toml");

/// The sources of settings.
#[derive(Clone, Debug, Default)]
pub struct ConfigLoader {
    /// Where `hps-loop.toml` is looked for and relative paths of files start; empty
    /// is the current folder.
    pub working_dir: PathBuf,
    /// The file named with `--config`; it has to exist.
    pub explicit: Option<PathBuf>,
    /// Environment variables; those that do not begin with `HPS_LOOP_` are ignored.
    pub env: Vec<(String, String)>,
    /// Flags, in the order given.
    pub overrides: Vec<Override>,
}

/// A setting given as a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The dotted key, such as `generate.best-of`, or `weights` or `arch` with
    /// `ID=FILE` as value.
    pub key: String,
    /// The value as the user typed it.
    pub value: String,
    /// The flag as the user knows it, such as `--best-of`.
    pub flag: String,
}

impl Override {
    /// The override of `key` by `flag`.
    pub fn new(key: impl Into<String>, value: impl ToString, flag: impl Into<String>) -> Override {
        Override { key: key.into(), value: value.to_string(), flag: flag.into() }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The value.
    pub value: Leaf,
    /// Where it comes from.
    pub origin: Origin,
}

/// Settings with their sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Every value that is set, by dotted key; entries of maps as
    /// `weights."hps-v2.1"`.
    pub settings: BTreeMap<String, Setting>,
}

impl ConfigLoader {
    /// A loader for this process: its environment, no flags.
    pub fn from_env(explicit: Option<PathBuf>) -> ConfigLoader {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        ConfigLoader {
            working_dir: PathBuf::new(),
            explicit,
            env: std::env::vars_os().filter_map(text).collect(),
            overrides: Vec::new(),
        }
    }

    /// Reads, checks and merges all sources.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for TOML that cannot be parsed, unknown keys (the
    /// hint lists those accepted) and values of a wrong type, each with its source;
    /// [`ErrorKind::NotFound`] if the explicit file is missing; [`ErrorKind::Io`] if
    /// a file cannot be read.
    pub fn load(&self) -> Result<Loaded> {
        let layers = self.layers()?;
        let mut settings = BTreeMap::new();
        let mut builder = config::Config::builder();
        for layer in layers {
            settings.extend(layer.settings.clone());
            builder = builder.add_source(layer);
        }
        let config = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| Error::new(ErrorKind::InvalidConfig, error.to_string()))?;
        Ok(Loaded { config, settings })
    }

    fn layers(&self) -> Result<Vec<Layer>> {
        let mut layers = vec![toml_file::parse(DEFAULTS, &Origin::Default)?];
        let found = self.working_dir.join(FILE_NAME);
        match toml_file::read(&found) {
            Ok(text) => layers.push(toml_file::parse(&text, &Origin::File(found))?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(path) = &self.explicit {
            layers.push(self.read_explicit(path)?);
        }
        let mut env = self.env.clone();
        env.sort();
        for (name, value) in &env {
            layers.extend(from_variable(name, value)?);
        }
        for item in &self.overrides {
            layers.push(from_override(item)?);
        }
        Ok(layers)
    }

    fn read_explicit(&self, path: &Path) -> Result<Layer> {
        let path = self.working_dir.join(path);
        let text = toml_file::read(&path)
            .map_err(|error| error.with_hint("Check the path given with --config."))?;
        toml_file::parse(&text, &Origin::File(path))
    }
}
