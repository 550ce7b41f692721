//! Describing a scorer, and loading it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use hps_core::{DeviceSpec, Error, ErrorKind, Precision, Result};
use hps_reward::preprocess::ResizePolicy;
use hps_reward::{ClipReward, Combine, RewardKind, RewardOptions, RewardSpec};
use hps_weights::ModelRef;

use super::{Part, Scorer};
use crate::models::ModelStore;

/// Describes a [`Scorer`]; only the reward has no default.
#[derive(Clone, Debug, Default)]
pub struct ScorerBuilder {
    reward: Option<String>,
    weights: Vec<(Option<RewardKind>, String)>,
    arch: Vec<(Option<RewardKind>, PathBuf)>,
    combine: Combine,
    policy: ResizePolicy,
    precision: Precision,
    device: DeviceSpec,
    models: Option<ModelStore>,
}

impl ScorerBuilder {
    /// The reward's id, or several with weights: `hps-v2.1=1,pickscore=0.5`.
    #[must_use]
    pub fn reward(mut self, spec: impl Into<String>) -> Self {
        self.reward = Some(spec.into());
        self
    }

    /// Where the weights are: a path, `bundled:NAME`, `hub:owner/name/file` or a
    /// registry name. Needed only where they are not the registry's.
    #[must_use]
    pub fn weights(mut self, reference: impl Into<String>) -> Self {
        self.weights.push((None, reference.into()));
        self
    }

    /// Where the weights of one of several rewards are.
    #[must_use]
    pub fn weights_of(mut self, kind: RewardKind, reference: impl Into<String>) -> Self {
        self.weights.push((Some(kind), reference.into()));
        self
    }

    /// The architecture in open_clip's model-config form, where the weights are
    /// not of a published one.
    #[must_use]
    pub fn arch(mut self, path: impl Into<PathBuf>) -> Self {
        self.arch.push((None, path.into()));
        self
    }

    /// The architecture of one of several rewards.
    #[must_use]
    pub fn arch_of(mut self, kind: RewardKind, path: impl Into<PathBuf>) -> Self {
        self.arch.push((Some(kind), path.into()));
        self
    }

    /// How several rewards become one score; the sum by default.
    #[must_use]
    pub fn combine(mut self, combine: Combine) -> Self {
        self.combine = combine;
        self
    }

    /// The resize policy of the HPS rewards; `antialias` by default.
    #[must_use]
    pub fn preprocess(mut self, policy: ResizePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The arithmetic; `accurate` by default.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Where the model runs; the CPU by default.
    #[must_use]
    pub fn device(mut self, device: DeviceSpec) -> Self {
        self.device = device;
        self
    }

    /// Where models are found; the environment's hub cache by default.
    #[must_use]
    pub fn models(mut self, models: ModelStore) -> Self {
        self.models = Some(models);
        self
    }

    /// The reward, if one was named.
    pub(crate) fn named_reward(&self) -> Option<&str> {
        self.reward.as_deref()
    }

    /// The same with models from `models`, unless they were given already.
    pub(crate) fn or_models(mut self, models: &ModelStore) -> Self {
        self.models.get_or_insert_with(|| models.clone());
        self
    }

    /// Finds the weights and loads them.
    ///
    /// # Errors
    ///
    /// When no reward is named, weights are missing or do not fit, or the device
    /// does not exist.
    #[tracing::instrument(skip_all)]
    pub fn build(self) -> Result<Scorer> {
        let spec: RewardSpec = match &self.reward {
            Some(text) => text.parse()?,
            None => {
                return Err(Error::new(ErrorKind::InvalidConfig, "no reward is named").with_hint(
                    "Name one with `--reward`, such as hps-v2.1; `hps-loop models list` shows all.",
                ));
            }
        };
        let models = match &self.models {
            Some(models) => models.clone(),
            None => ModelStore::from_env()?,
        };
        let device = hps_nn::open_device(self.device)?;
        let mut parts = Vec::new();
        for &(kind, weight) in spec.parts() {
            let reference = |kind: RewardKind| -> Result<Option<ModelRef>> {
                let alone = spec.parts().len() == 1 && spec.parts()[0].0 == kind;
                let given = self.weights.iter().rev().find(|(of, _)| match of {
                    Some(of) => *of == kind,
                    None => alone,
                });
                given.map(|(_, text)| text.parse()).transpose()
            };
            let arch = self.arch.iter().rev().find(|(of, _)| of.is_none_or(|of| of == kind));
            let arch = arch.map(|(_, path)| path.as_path());
            let found = models.reward(kind, arch, &reference)?;
            let options = RewardOptions {
                policy: self.policy,
                precision: self.precision,
                device: device.clone(),
            };
            let begun = Instant::now();
            let reward = Arc::new(ClipReward::load(kind, &found.weights, options)?);
            let (file, seconds) = (found.weights.clip.name(), begun.elapsed().as_secs_f64());
            tracing::info!(reward = %kind, file, seconds, "loaded");
            parts.push(Part::new(reward, weight, found.digests));
        }
        Ok(Scorer { parts, combine: self.combine })
    }
}
