//! Convolutional blocks shared by the denoising network and the decoder.
//!
//! All follow the layout of diffusers: `[batch, channels, height, width]`.

mod resample;
mod resnet;

pub(crate) use resample::{Downsample, Upsample};
pub(crate) use resnet::{Resnet, ResnetConfig};
