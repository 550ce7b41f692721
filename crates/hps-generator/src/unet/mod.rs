//! The denoising network: `UNet2DConditionModel` of diffusers, as used by Stable
//! Diffusion 1 and 2 and their fine-tunes.

mod attention;
mod config;
mod down_block;
mod feed_forward;
mod mid_block;
mod model;
mod supported;
mod time_embedding;
mod transformer;
mod up_block;

pub use config::{BlockType, PerBlock, SampleSize, UNetConfig};
pub use model::UNet;
