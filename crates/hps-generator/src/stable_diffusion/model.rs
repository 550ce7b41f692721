//! The model as a whole: networks, tokenizer, schedule.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use hps_core::{
    Error, ErrorKind, GeneratorInfo, Image, NoiseTag, Result, SampleDefaults, SampleSpec, Session,
    Warning,
};
use hps_nn::{kernel_name, model_error};

use super::family::Family;
use super::load::LoadOptions;
use super::prompts::PromptEncoder;
use super::request::latent_size;
use super::session::{StableDiffusionSession, StartOptions};
use crate::sampler::{Sampler, SamplerKind, SchedulerConfig};
use crate::unet::UNet;
use crate::vae::{VaeDecoder, to_image};

/// What a model is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub family: Family,
    pub prompts: PromptEncoder,
    pub unet: UNet,
    pub vae: VaeDecoder,
    pub latent_channels: usize,
    /// Pixels per latent in each direction.
    pub scale: usize,
    pub scheduler: SchedulerConfig,
    pub defaults: SampleDefaults,
    pub options: LoadOptions,
}

/// A Stable Diffusion 1.x, 2.x or Turbo model.
///
/// Use it through [`hps_core::Generator`]. The other methods expose what lies
/// between a prompt and a picture.
#[derive(Debug)]
pub struct StableDiffusion {
    parts: Parts,
}

impl StableDiffusion {
    pub(super) fn new(parts: Parts) -> Self {
        StableDiffusion { parts }
    }

    /// The training schedule and sampler settings from the model's folder.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.parts.scheduler
    }

    /// How many pixels, in each direction, one latent stands for. Sizes must be
    /// multiples of it; 8 for all published models.
    pub fn pixels_per_latent(&self) -> u32 {
        self.parts.scale as u32
    }

    /// The token ids of `text` as the text encoder reads them, padded or cut to
    /// its context length.
    pub fn token_ids(&self, text: &str) -> Vec<u32> {
        self.parts.prompts.token_ids(text)
    }

    /// What is unusual about a prompt: that it is too long, for example.
    pub fn check_prompt(&self, text: &str) -> Vec<Warning> {
        self.parts.prompts.check(text)
    }

    /// The text encoder's states of `text`, `[context_length, width]`. A text that
    /// is too long is cut, with a warning in the log. Recent results are kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Model`] if the text encoder fails.
    pub fn encode_prompt(&mut self, text: &str) -> Result<Tensor> {
        self.parts.prompts.encode(text)
    }

    /// [`start`](hps_core::Generator::start) with other noise or another schedule.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the specification does not suit the model,
    /// with what would be accepted.
    pub fn start_with(
        &mut self,
        spec: &SampleSpec,
        options: StartOptions,
    ) -> Result<StableDiffusionSession> {
        let (height, width) = latent_size(spec, self.parts.scale)?;
        let kind: SamplerKind = spec.scheduler.parse()?;
        let scheduler = options.scheduler.as_ref().unwrap_or(&self.parts.scheduler);
        let sampler = Sampler::new(kind, scheduler, spec.num_inference_steps as usize, spec.eta)?;
        let prompt = self.encode_prompt(spec.prompt.as_str())?;
        let negative = match spec.guidance_scale > 1.0 {
            true => {
                let text = spec.negative_prompt.as_ref().map_or("", |prompt| prompt.as_str());
                Some(self.encode_prompt(text)?)
            }
            false => None,
        };
        let shape = [self.parts.latent_channels, height, width];
        let key = spec.noise_key(0, NoiseTag::Initial);
        let mut latents = options.noise.draw(key, shape.iter().product())?;
        let sigma = sampler.init_noise_sigma();
        latents.iter_mut().for_each(|value| *value *= sigma);
        Ok(StableDiffusionSession {
            spec: spec.clone(),
            sampler: Arc::new(sampler),
            noise: options.noise,
            prompt,
            negative,
            shape,
            latents,
            x0: None,
            step: 0,
            nfe: 0,
        })
    }

    /// The decoder's output for a session, `[3, height, width]` with values around
    /// [-1, 1]. For a finished session these are its latents; before, the last
    /// guess of the finished latents, which makes a preview.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Model`] if the decoder fails.
    pub fn decode_pixels(&self, session: &StableDiffusionSession) -> Result<Tensor> {
        let [channels, height, width] = session.shape;
        let latents = match &session.x0 {
            Some(x0) if !session.is_finished() => x0,
            _ => &session.latents,
        };
        let shape = (1, channels, height, width);
        let pixels = Tensor::from_slice(latents, shape, self.device())
            .and_then(|latents| self.parts.vae.forward(&latents)?.get(0));
        pixels.map_err(model_error)
    }

    pub(super) fn decode_one(&self, session: &dyn Session) -> Result<Image> {
        to_image(&self.decode_pixels(own(session)?)?)
    }

    pub(super) fn description(&self) -> GeneratorInfo {
        GeneratorInfo {
            model: self.parts.options.name.clone(),
            family: self.parts.family.id().to_owned(),
            // Whoever found the files knows their digest.
            model_sha256: None,
            precision: self.parts.options.precision,
            kernel: kernel_name(self.device()).to_owned(),
            defaults: self.parts.defaults.clone(),
            schedulers: SamplerKind::ALL.iter().map(|kind| kind.id().to_owned()).collect(),
        }
    }

    pub(super) fn unet(&self) -> &UNet {
        &self.parts.unet
    }

    pub(super) fn device(&self) -> &Device {
        &self.parts.options.device
    }

    pub(super) fn max_batch(&self) -> usize {
        self.parts.options.max_batch.max(1)
    }
}

/// The session as one of this crate's.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if another generator made it.
pub(super) fn own(session: &dyn Session) -> Result<&StableDiffusionSession> {
    session.as_any().downcast_ref().ok_or_else(foreign)
}

/// [`own`], to change it.
pub(super) fn own_mut(session: &mut dyn Session) -> Result<&mut StableDiffusionSession> {
    session.as_any_mut().downcast_mut().ok_or_else(foreign)
}

fn foreign() -> Error {
    Error::new(ErrorKind::InvalidInput, "the session belongs to another generator")
}
