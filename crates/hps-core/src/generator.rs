//! How pictures are made.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::{Image, NoiseKey, NoiseTag, Precision, Prompt, Result, Seed};

/// Everything that determines one picture, given the model.
///
/// Two equal specifications on the same model, precision and kernel give equal
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleSpec {
    /// What to draw.
    pub prompt: Prompt,
    /// What to steer away from; `None` is the empty text. Without effect when
    /// guidance is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<Prompt>,
    /// The run's seed.
    pub seed: Seed,
    /// The index of this candidate within its prompt, from 0.
    pub candidate: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of denoising steps.
    pub num_inference_steps: u32,
    /// Classifier-free guidance; values up to 1 turn it off.
    pub guidance_scale: f32,
    /// The sampler's id, such as `ddim` or `euler`.
    pub scheduler: String,
    /// The stochasticity of DDIM: 0 is deterministic, 1 is DDPM-like.
    pub eta: f32,
}

impl SampleSpec {
    /// The key of a draw that belongs to this picture.
    pub fn noise_key(&self, step: u32, tag: NoiseTag) -> NoiseKey<'_> {
        NoiseKey {
            seed: self.seed,
            prompt: self.prompt.as_str(),
            candidate: self.candidate,
            step,
            tag,
        }
    }
}

/// What a user asks for; anything left out comes from the model's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleOptions {
    /// See [`SampleSpec::negative_prompt`].
    pub negative_prompt: Option<Prompt>,
    /// See [`SampleSpec::width`].
    pub width: Option<u32>,
    /// See [`SampleSpec::height`].
    pub height: Option<u32>,
    /// See [`SampleSpec::num_inference_steps`].
    pub num_inference_steps: Option<u32>,
    /// See [`SampleSpec::guidance_scale`].
    pub guidance_scale: Option<f32>,
    /// See [`SampleSpec::scheduler`].
    pub scheduler: Option<String>,
    /// See [`SampleSpec::eta`].
    pub eta: Option<f32>,
}

/// A model's recommended settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleDefaults {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of denoising steps.
    pub num_inference_steps: u32,
    /// Classifier-free guidance.
    pub guidance_scale: f32,
    /// The sampler's id.
    pub scheduler: String,
}

impl SampleOptions {
    /// The specification of one candidate, with `defaults` for all left out.
    pub fn resolve(
        &self,
        defaults: &SampleDefaults,
        prompt: &Prompt,
        seed: Seed,
        candidate: u32,
    ) -> SampleSpec {
        SampleSpec {
            prompt: prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            seed,
            candidate,
            width: self.width.unwrap_or(defaults.width),
            height: self.height.unwrap_or(defaults.height),
            num_inference_steps: self.num_inference_steps.unwrap_or(defaults.num_inference_steps),
            guidance_scale: self.guidance_scale.unwrap_or(defaults.guidance_scale),
            scheduler: self.scheduler.clone().unwrap_or_else(|| defaults.scheduler.clone()),
            eta: self.eta.unwrap_or(0.0),
        }
    }
}

/// What must be known about a generator to repeat its pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorInfo {
    /// How the model was named: a path, `bundled:NAME` or a registry name.
    pub model: String,
    /// The model's family, such as `stable-diffusion`.
    pub family: String,
    /// Digest of all weight and configuration files, once known.
    pub model_sha256: Option<String>,
    /// The arithmetic.
    pub precision: Precision,
    /// The compute kernel, such as `gemm-avx512`.
    pub kernel: String,
    /// The settings used for all that is left out.
    pub defaults: SampleDefaults,
    /// The ids of the samplers that work with this model.
    pub schedulers: Vec<String>,
}

/// A picture in the making: plain data that can be copied at any step.
pub trait Session: Send {
    /// What is being drawn.
    fn spec(&self) -> &SampleSpec;

    /// Steps done so far.
    fn step(&self) -> u32;

    /// Steps in all; the picture is finished when [`step`](Session::step) reaches it.
    fn steps(&self) -> u32;

    /// Model evaluations so far; guidance counts two a step.
    fn nfe(&self) -> u64;

    /// An independent copy. Copying never copies weights.
    fn fork(&self) -> Box<dyn Session>;

    /// The generator's own type, for the generator alone.
    fn as_any(&self) -> &dyn Any;

    /// The generator's own type, for the generator alone.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// A source of pictures that works in steps.
///
/// # What callers may rely on
///
/// * A session's picture depends on its specification alone: not on the other
///   sessions of a batch, nor on what was drawn before. On the CPU this holds
///   to the last bit.
/// * An error from [`step_batch`](Generator::step_batch) loses that call and
///   nothing else; finished sessions stay decodable.
///
/// # What implementers must do
///
/// Draw randomness only from [`SampleSpec::noise_key`]. Refuse in
/// [`start`](Generator::start) what cannot be drawn, with what would be accepted.
pub trait Generator: Send {
    /// The description that belongs into every record.
    fn info(&self) -> GeneratorInfo;

    /// Prepares a picture: encodes the prompts, draws the initial noise.
    ///
    /// # Errors
    ///
    /// When the specification does not suit the model.
    fn start(&mut self, spec: &SampleSpec) -> Result<Box<dyn Session>>;

    /// Advances every session by one step in as few forward passes as possible.
    /// Sessions may be at different steps. Finished sessions are left alone.
    ///
    /// # Errors
    ///
    /// When the forward pass fails; the sessions are then unchanged.
    fn step_batch(&mut self, sessions: &mut [Box<dyn Session>]) -> Result<()>;

    /// Turns each session's latents into a picture, in order.
    fn decode(&mut self, sessions: &[Box<dyn Session>]) -> Vec<Result<Image>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_override_defaults() {
        let defaults = SampleDefaults {
            width: 512,
            height: 512,
            num_inference_steps: 50,
            guidance_scale: 7.5,
            scheduler: "ddim".into(),
        };
        let options = SampleOptions { width: Some(64), eta: Some(1.0), ..Default::default() };
        let spec = options.resolve(&defaults, &Prompt::from("x"), Seed(3), 2);
        assert_eq!((spec.width, spec.height, spec.num_inference_steps), (64, 512, 50));
        assert_eq!((spec.seed, spec.candidate, spec.eta), (Seed(3), 2, 1.0));
        assert_eq!(spec.scheduler, "ddim");
    }
}
