//! From a model's name to its files: on disk, bundled, cached or downloaded.

use std::path::{Path, PathBuf};
use std::time::Instant;

use hps_clip::ClipConfig;
use hps_core::{Error, ErrorKind, Generator, Precision, Result};
use hps_generator::{LoadOptions, StableDiffusion};
use hps_nn::Device;
use hps_reward::{RewardKind, RewardWeights};
use hps_weights::digest::DigestTask;
use hps_weights::{Checkpoint, ModelFiles, ModelRef, registry};

use crate::bundled;
use crate::download::Downloads;

/// The name of the bundled generator.
pub const BUNDLED_GENERATOR: &str = "bundled:demo-generator";
/// The name of the bundled reward's weights.
pub const BUNDLED_REWARD: &str = "bundled:demo-reward";

/// Where models are found.
#[derive(Clone, Debug)]
pub struct ModelStore {
    downloads: Downloads,
    digest_cache: Option<PathBuf>,
}

/// A reward's weights, found but not loaded.
#[derive(Debug)]
pub struct FoundReward {
    /// The files.
    pub weights: RewardWeights,
    /// Digests in the making: of the head, where there is one, and of the CLIP.
    pub digests: Vec<DigestTask>,
}

/// A generator's files, found but not loaded.
#[derive(Debug)]
pub struct FoundGenerator {
    /// How the model was named.
    pub name: String,
    /// The files.
    pub files: ModelFiles,
    /// The digest in the making.
    pub digest: DigestTask,
}

impl FoundGenerator {
    /// Loads the model onto `device`.
    ///
    /// # Errors
    ///
    /// When the folder is of an unknown family or its weights do not fit.
    pub fn load(&self, device: &Device, precision: Precision) -> Result<Box<dyn Generator>> {
        let options = LoadOptions { precision, ..LoadOptions::new(&self.name, device.clone()) };
        let begun = Instant::now();
        let generator = StableDiffusion::load(&self.files, options)?;
        tracing::info!(model = self.name, seconds = begun.elapsed().as_secs_f64(), "loaded");
        Ok(Box::new(generator))
    }
}

impl ModelStore {
    /// Models from `downloads`; digests are kept in the file `digest_cache`.
    pub fn new(downloads: Downloads, digest_cache: Option<PathBuf>) -> Self {
        ModelStore { downloads, digest_cache }
    }

    /// As the environment says: the standard hub cache, digests in the user's
    /// cache folder.
    ///
    /// # Errors
    ///
    /// When an environment variable holds nonsense.
    pub fn from_env() -> Result<Self> {
        Ok(ModelStore::new(Downloads::from_env()?, default_digest_cache()))
    }

    /// The same with other downloads.
    #[must_use]
    pub fn with_downloads(mut self, downloads: Downloads) -> Self {
        self.downloads = downloads;
        self
    }

    /// The downloads.
    pub fn downloads(&self) -> &Downloads {
        &self.downloads
    }

    /// The registry's entry called `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] with the nearest names.
    pub fn entry(&self, name: &str) -> Result<&'static registry::ModelEntry> {
        registry::find(name).ok_or_else(|| unknown_name(name))
    }

    /// Finds the weights of a reward: where `reference` says, else where the
    /// registry says. `arch` is a file in open_clip's model-config form.
    ///
    /// # Errors
    ///
    /// When there are none, or they cannot be read.
    pub fn reward(
        &self,
        kind: RewardKind,
        arch: Option<&Path>,
        reference: &dyn Fn(RewardKind) -> Result<Option<ModelRef>>,
    ) -> Result<FoundReward> {
        let of = |kind: RewardKind| -> Result<ModelFiles> {
            let default = match kind {
                RewardKind::Demo => BUNDLED_REWARD,
                _ => kind.id(),
            };
            let reference = match reference(kind)? {
                Some(reference) => reference,
                None => default.parse()?,
            };
            self.reward_files(kind, &reference)
        };
        let (clip, head) = match kind {
            // The head reads the image features of CLIPScore's model.
            RewardKind::Aesthetic => (of(RewardKind::ClipScore)?, Some(of(kind)?)),
            _ => (of(kind)?, None),
        };
        let digests = head.iter().chain([&clip]).map(|files| self.digest(files)).collect();
        let config = match arch {
            Some(path) => Some(read_arch(path)?),
            None => folder_config(&clip)?,
        };
        let head = head.as_ref().map(weights_file).transpose()?;
        let weights = RewardWeights { clip: weights_file(&clip)?, config, head };
        Ok(FoundReward { weights, digests })
    }

    /// Finds the files of a generator.
    ///
    /// # Errors
    ///
    /// When there is no such model, or it cannot be downloaded.
    pub fn generator(&self, reference: &ModelRef) -> Result<FoundGenerator> {
        let files = match reference {
            ModelRef::Path(path) => ModelFiles::folder(path)?,
            ModelRef::Bundled(name) => bundled::files(name)?,
            ModelRef::Hub { repo, revision, file: None } => {
                self.downloads.diffusers_folder(repo, revision.as_deref())?
            }
            ModelRef::Hub { file: Some(file), .. } => {
                let message = format!("{file} is one file; a generator is a folder");
                return Err(Error::new(ErrorKind::InvalidConfig, message)
                    .with_hint("Name the repository: hub:OWNER/NAME."));
            }
            ModelRef::Registry(name) => {
                let entry = registry_entry(name, registry::ModelKind::Generator)?;
                ModelFiles::folder(self.downloads.entry(entry)?)?
            }
        };
        let digest = self.digest(&files);
        Ok(FoundGenerator { name: reference.to_string(), files, digest })
    }

    fn reward_files(&self, kind: RewardKind, reference: &ModelRef) -> Result<ModelFiles> {
        match reference {
            ModelRef::Path(path) => ModelFiles::open(path),
            ModelRef::Bundled(name) => bundled::files(name),
            ModelRef::Hub { repo, revision, file: Some(file) } => {
                ModelFiles::open(self.downloads.file(repo, revision.as_deref(), file)?)
            }
            ModelRef::Hub { repo, file: None, .. } => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("hub:{repo} names no file for {kind}"),
            )
            .with_hint(format!("Name the weights file: hub:{repo}/model.safetensors."))),
            ModelRef::Registry(name) => {
                let entry = registry_entry(name, registry::ModelKind::Reward)?;
                let folder = self.downloads.entry(entry)?;
                let first = entry.files.first().map_or("", |file| file.path);
                ModelFiles::open(folder.join(first))
            }
        }
    }

    fn digest(&self, files: &ModelFiles) -> DigestTask {
        DigestTask::spawn(files.clone(), self.digest_cache.clone())
    }
}

/// `hps-loop/digests.json` in the user's cache folder.
fn default_digest_cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match set("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(set("HOME").or_else(|| set("USERPROFILE"))?).join(".cache"),
    };
    Some(cache.join("hps-loop").join("digests.json"))
}

fn registry_entry(name: &str, kind: registry::ModelKind) -> Result<&'static registry::ModelEntry> {
    match registry::find(name) {
        Some(entry) if entry.kind == kind => Ok(entry),
        Some(entry) => {
            let message = format!("'{name}' is a {}, not a {}", entry.kind.as_str(), kind.as_str());
            Err(Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("`hps-loop models list` shows every {}.", kind.as_str())))
        }
        None => Err(unknown_name(name)),
    }
}

fn unknown_name(name: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no known model is called '{name}'"));
    if Path::new(name).exists() {
        return error.with_hint(format!("For the file or folder of that name write ./{name}."));
    }
    let meant = match registry::nearest(name).first() {
        Some(near) => format!("Did you mean {near}? "),
        None => String::new(),
    };
    error.with_hint(format!(
        "{meant}`hps-loop models list` shows all; a folder is written ./{name}."
    ))
}

fn read_arch(path: &Path) -> Result<ClipConfig> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read the architecture {}", path.display()))
            .with_source(error)
    })?;
    ClipConfig::from_open_clip(&text).map_err(|error| error.context(path.display()))
}

/// The architecture that a model folder states, if it is a folder that does.
fn folder_config(files: &ModelFiles) -> Result<Option<ClipConfig>> {
    if files.as_single_file().is_some() {
        return Ok(None);
    }
    let text = |name: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&files.read(name)?).into_owned())
    };
    let config = if files.contains("open_clip_config.json") {
        Some(ClipConfig::from_open_clip(&text("open_clip_config.json")?))
    } else if files.contains("config.json") {
        Some(ClipConfig::from_hugging_face(&text("config.json")?))
    } else {
        None
    };
    config.transpose().map_err(|error| error.context(files))
}

/// The weights of a reward: the file itself, or the one in a folder.
pub(crate) fn weights_file(files: &ModelFiles) -> Result<Checkpoint> {
    match files.as_single_file() {
        Some(path) => Checkpoint::open(path),
        None => {
            let stems = ["model", "open_clip_model", "pytorch_model", "open_clip_pytorch_model"];
            files.checkpoint(&files.find_weights("", &stems)?)
        }
    }
}
