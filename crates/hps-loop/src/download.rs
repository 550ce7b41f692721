//! Models from a hub, where this build has the feature `hub`.

use std::path::PathBuf;

use hps_core::{ErrorKind, Result};
use hps_weights::ModelFiles;
use hps_weights::registry::{FileEntry, ModelEntry};

#[cfg(feature = "hub")]
pub use with_hub::Downloads;
#[cfg(not(feature = "hub"))]
pub use without_hub::Downloads;

impl Downloads {
    /// The folder with the files of a registry entry, downloaded where they are
    /// not cached.
    ///
    /// # Errors
    ///
    /// When they are neither cached nor can be downloaded.
    pub fn entry(&self, entry: &ModelEntry) -> Result<PathBuf> {
        self.folder(entry.repo, entry.revision, entry.files)
            .map_err(|error| error.context(format!("model {}", entry.name)))
    }

    /// One file of a repository, downloaded where it is not cached.
    ///
    /// # Errors
    ///
    /// When it is neither cached nor can be downloaded.
    pub fn file(&self, repo: &str, revision: Option<&str>, file: &str) -> Result<PathBuf> {
        let folder = self.folder(repo, revision.unwrap_or("main"), &[FileEntry::new(file)])?;
        Ok(folder.join(file))
    }

    /// A diffusers model of a repository: half precision where it has that, else
    /// full.
    ///
    /// # Errors
    ///
    /// When it is neither cached nor can be downloaded, or is no such model.
    pub fn diffusers_folder(&self, repo: &str, revision: Option<&str>) -> Result<ModelFiles> {
        let revision = revision.unwrap_or("main");
        let folder = match self.folder(repo, revision, &diffusers_files(&HALF)) {
            // Offline, a file that is not cached is no different from one that is not there.
            Err(error) if error.kind() == ErrorKind::NotFound || self.is_offline() => {
                self.folder(repo, revision, &diffusers_files(&FULL)).map_err(|error| {
                    let hint = format!("Get it with `hps-loop models pull hub:{repo}`.");
                    if self.is_offline() { error.with_hint(hint) } else { error }
                })?
            }
            other => other?,
        };
        ModelFiles::folder(folder)
    }
}

/// The weights of a diffusers Stable Diffusion in half precision.
const HALF: [&str; 3] = [
    "text_encoder/model.fp16.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors",
];

/// The weights of a diffusers Stable Diffusion in full precision.
const FULL: [&str; 3] = [
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
];

fn diffusers_files(weights: &[&'static str; 3]) -> Vec<FileEntry<'static>> {
    let configs = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "vae/config.json",
    ];
    configs.into_iter().chain(weights.iter().copied()).map(FileEntry::new).collect()
}

#[cfg(feature = "hub")]
mod with_hub {
    use std::fmt;
    use std::sync::Arc;

    use hps_weights::hub::{DownloadObserver, Hub, HubOptions, SilentDownload};

    use super::*;

    type NewObserver = dyn Fn() -> Box<dyn DownloadObserver> + Send + Sync;

    /// Downloads into the standard hub cache.
    #[derive(Clone)]
    pub struct Downloads {
        hub: Hub,
        observer: Arc<NewObserver>,
    }

    impl fmt::Debug for Downloads {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.hub.fmt(f)
        }
    }

    impl Downloads {
        /// Downloads from `hub`; each is watched by an observer of its own.
        pub fn new(
            hub: Hub,
            observer: impl Fn() -> Box<dyn DownloadObserver> + Send + Sync + 'static,
        ) -> Self {
            Downloads { hub, observer: Arc::new(observer) }
        }

        /// As the environment says, in silence.
        ///
        /// # Errors
        ///
        /// When an environment variable holds nonsense.
        pub fn from_env() -> Result<Self> {
            let hub = Hub::new(HubOptions::from_env()?);
            Ok(Downloads::new(hub, || Box::new(SilentDownload)))
        }

        /// The hub and its cache.
        pub fn hub(&self) -> &Hub {
            &self.hub
        }

        /// The same, but only the cache counts.
        #[must_use]
        pub fn offline(&self) -> Self {
            let options = HubOptions { offline: true, ..self.hub.options().clone() };
            Downloads { hub: Hub::new(options), observer: Arc::clone(&self.observer) }
        }

        pub(super) fn is_offline(&self) -> bool {
            self.hub.options().offline
        }

        /// Whether all files of a registry entry are in the cache. Never uses the
        /// network.
        pub fn is_cached(&self, entry: &ModelEntry) -> bool {
            let cached = |file| self.hub.cached_file(entry.repo, entry.revision, file).is_some();
            entry.files.iter().all(cached)
        }

        /// Reads all files of a registry entry from the cache and checks their
        /// digests. Never uses the network.
        ///
        /// # Errors
        ///
        /// When a file is missing or damaged.
        pub fn verify(&self, entry: &ModelEntry) -> Result<()> {
            entry.files.iter().try_for_each(|file| {
                self.hub.verify_file(entry.repo, entry.revision, file).map(|_| ())
            })
        }

        pub(super) fn folder(
            &self,
            repo: &str,
            revision: &str,
            files: &[FileEntry<'_>],
        ) -> Result<PathBuf> {
            self.hub.fetch_folder(repo, revision, files, &mut *(self.observer)())
        }
    }
}

#[cfg(not(feature = "hub"))]
mod without_hub {
    use hps_core::Error;

    use super::*;

    /// Stands where downloads would be: this build has none.
    #[derive(Clone, Debug, Default)]
    pub struct Downloads;

    impl Downloads {
        /// Nothing to read from the environment.
        ///
        /// # Errors
        ///
        /// Never.
        pub fn from_env() -> Result<Self> {
            Ok(Downloads)
        }

        /// The same.
        #[must_use]
        pub fn offline(&self) -> Self {
            self.clone()
        }

        pub(super) fn is_offline(&self) -> bool {
            true
        }

        /// Nothing is cached.
        pub fn is_cached(&self, _entry: &ModelEntry) -> bool {
            false
        }

        /// There is nothing to verify.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn verify(&self, entry: &ModelEntry) -> Result<()> {
            self.folder(entry.repo, entry.revision, entry.files).map(|_| ())
        }

        pub(super) fn folder(
            &self,
            repo: &str,
            _revision: &str,
            _files: &[FileEntry<'_>],
        ) -> Result<PathBuf> {
            Err(Error::new(ErrorKind::Network, format!("{repo} is on a model hub"))
                .with_hint("This build cannot download; name a local path, or build with `hub`."))
        }
    }
}
