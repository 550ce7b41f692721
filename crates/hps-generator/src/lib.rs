//! Text-to-image models as step-wise sessions.
//!
//! * [`StableDiffusion`]: the Stable Diffusion 1, 2 and Turbo families from a
//!   model folder in the layout of diffusers, as a [`hps_core::Generator`];
//! * [`sampler`]: samplers as pure functions on host numbers;
//! * [`noise`]: the noise of every draw as a pure function of its key;
//! * [`unet`], [`vae`]: the networks, on the layers of `hps-nn`.
//!
//! # Sessions
//!
//! A picture in the making is its specification, its step and its latents.
//! Networks are never changed by a forward pass, so sessions can be copied,
//! dropped, advanced in any order and mixed in one batch, at different steps and
//! with different samplers.
//!
//! # Same numbers as diffusers
//!
//! Token ids, text states, timesteps, noise levels, latents after every step and
//! pictures equal those of diffusers for the same noise, within 1e-4 of each
//! tensor's standard deviation.

mod layers;
pub mod noise;
pub mod sampler;
mod stable_diffusion;
pub mod unet;
pub mod vae;
mod weights;

pub use noise::{GivenNoise, KeyedNoise, NoiseSource};
pub use stable_diffusion::{
    Family, LoadOptions, StableDiffusion, StableDiffusionSession, StartOptions, detect,
};
