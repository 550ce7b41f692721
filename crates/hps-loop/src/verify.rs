//! Checking models without using them.

use std::path::PathBuf;

use hps_core::{DeviceSpec, Precision, Result};
use hps_reward::RewardKind;
use hps_weights::registry::ModelKind;
use hps_weights::{ModelFiles, ModelRef};

use crate::bundled;
use crate::models::{FoundReward, ModelStore, weights_file};

/// What a model is checked against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// The reward whose architecture the weights shall have; by default the one of
    /// the same name.
    pub reward: Option<RewardKind>,
    /// The architecture in open_clip's model-config form.
    pub arch: Option<PathBuf>,
}

impl ModelStore {
    /// Reads a model completely and checks digests where they are known, and names,
    /// types and shapes of all tensors where the architecture is known. Returns one
    /// line that says what it is. Downloads nothing.
    ///
    /// # Errors
    ///
    /// When the model is missing or damaged, or does not fit.
    pub fn verify(&self, reference: &ModelRef, options: &VerifyOptions) -> Result<String> {
        // Without the cache of digests: everything is to be read.
        ModelStore::new(self.downloads().offline(), None).verify_here(reference, options)
    }

    fn verify_here(&self, reference: &ModelRef, options: &VerifyOptions) -> Result<String> {
        if let ModelRef::Registry(name) = reference {
            let entry = self.entry(name)?;
            for entry in entry.with_requirements() {
                self.downloads().verify(entry)?;
            }
            return match entry.kind {
                ModelKind::Generator => self.verify_generator(reference),
                _ => self.verify_reward(entry.name.parse()?, reference, options),
            };
        }
        if let Some(kind) = options.reward {
            return self.verify_reward(kind, reference, options);
        }
        let files = match reference {
            ModelRef::Path(path) => ModelFiles::open(path)?,
            ModelRef::Bundled(name) => bundled::files(name)?,
            ModelRef::Hub { repo, revision, file: Some(file) } => {
                ModelFiles::open(self.downloads().file(repo, revision.as_deref(), file)?)?
            }
            _ => return self.verify_generator(reference),
        };
        match (files.as_single_file(), files.contains("model_index.json")) {
            (None, true) => self.verify_generator(reference),
            _ if options.arch.is_none() => describe(&files),
            _ => self.verify_reward(RewardKind::Demo, reference, options),
        }
    }

    fn verify_generator(&self, reference: &ModelRef) -> Result<String> {
        let found = self.generator(reference)?;
        let device = hps_nn::open_device(DeviceSpec::Cpu)?;
        let info = found.load(&device, Precision::F32)?.info();
        let defaults = info.defaults;
        Ok(format!(
            "{}, {}x{}, {} steps by default, sha256 {}",
            info.family,
            defaults.width,
            defaults.height,
            defaults.num_inference_steps,
            found.digest.wait()?
        ))
    }

    fn verify_reward(
        &self,
        kind: RewardKind,
        reference: &ModelRef,
        options: &VerifyOptions,
    ) -> Result<String> {
        let given = |asked: RewardKind| Ok((asked == kind).then(|| reference.clone()));
        let FoundReward { weights, digests } =
            self.reward(kind, options.arch.as_deref(), &given)?;
        let (checkpoint, _) = weights.check(kind)?;
        let digests: Vec<String> = digests
            .iter()
            .map(|digest| digest.wait().map(|digest| digest.to_string()))
            .collect::<Result<_>>()?;
        Ok(format!(
            "fits {kind}: {} tensors, {}, {}, sha256 {}",
            checkpoint.len(),
            weights.clip.format(),
            weights.clip.layout(),
            digests.join(" and ")
        ))
    }
}

/// Weights of which nothing is known but what they say themselves.
fn describe(files: &ModelFiles) -> Result<String> {
    let checkpoint = weights_file(files)?;
    let digest = hps_weights::digest::model(files)?;
    Ok(format!(
        "readable: {} tensors, {}, {}, sha256 {digest}; name its reward with --reward to check \
         every tensor",
        checkpoint.len(),
        checkpoint.format(),
        checkpoint.layout(),
    ))
}
