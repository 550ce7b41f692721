//! From latents to pixels: the decoder of `AutoencoderKL` of diffusers.

mod attention;
mod config;
mod decoder;
mod picture;

pub use config::VaeConfig;
pub use decoder::VaeDecoder;
pub use picture::to_image;
