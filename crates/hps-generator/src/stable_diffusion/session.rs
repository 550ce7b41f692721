//! A picture in the making.

use std::any::Any;
use std::sync::Arc;

use candle_core::Tensor;
use hps_core::{SampleSpec, Session};

use crate::noise::{KeyedNoise, NoiseSource};
use crate::sampler::{Sampler, SchedulerConfig};

/// What can be changed about a session besides its specification. The default
/// changes nothing.
#[derive(Clone)]
pub struct StartOptions {
    /// The training schedule and sampler settings; `None` uses the model's own.
    pub scheduler: Option<SchedulerConfig>,
    /// Where the noise comes from.
    pub noise: Arc<dyn NoiseSource>,
}

impl Default for StartOptions {
    fn default() -> Self {
        StartOptions { scheduler: None, noise: Arc::new(KeyedNoise) }
    }
}

/// A session of [`StableDiffusion`](super::StableDiffusion).
#[derive(Clone)]
pub struct StableDiffusionSession {
    pub(super) spec: SampleSpec,
    pub(super) sampler: Arc<Sampler>,
    pub(super) noise: Arc<dyn NoiseSource>,
    /// Text states of the prompt, `[context_length, width]`.
    pub(super) prompt: Tensor,
    /// Text states of the negative prompt; `None` turns guidance off.
    pub(super) negative: Option<Tensor>,
    /// Channels, height, width.
    pub(super) shape: [usize; 3],
    pub(super) latents: Vec<f32>,
    pub(super) x0: Option<Vec<f32>>,
    pub(super) step: usize,
    pub(super) nfe: u64,
}

impl StableDiffusionSession {
    /// The latents after the steps done so far, in the order `channels, height,
    /// width` and in the scale of the sampler.
    pub fn latents(&self) -> &[f32] {
        &self.latents
    }

    /// The latents' channels, height and width.
    pub fn latent_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The last step's guess of the finished latents; `None` before the first.
    pub fn x0(&self) -> Option<&[f32]> {
        self.x0.as_deref()
    }

    /// The sampler with its timesteps and noise levels.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Whether all steps are done.
    pub fn is_finished(&self) -> bool {
        self.step >= self.sampler.steps()
    }

    /// Model evaluations that one step takes.
    pub(super) fn evaluations(&self) -> u64 {
        1 + u64::from(self.negative.is_some())
    }
}

impl Session for StableDiffusionSession {
    fn spec(&self) -> &SampleSpec {
        &self.spec
    }

    fn step(&self) -> u32 {
        self.step as u32
    }

    fn steps(&self) -> u32 {
        self.sampler.steps() as u32
    }

    fn nfe(&self) -> u64 {
        self.nfe
    }

    fn fork(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
