//! The decoder network.

use candle_core::{Result, Tensor};
use hps_nn::{Activation, Conv2d, Conv2dConfig, GroupNorm, VarBuilder};

use super::VaeConfig;
use super::attention::PixelAttention;
use crate::layers::{Resnet, ResnetConfig, Upsample};

/// Fixed in diffusers.
const NORM_EPS: f64 = 1e-6;

/// The decoder half of `AutoencoderKL`.
#[derive(Debug)]
pub struct VaeDecoder {
    post_quant: Option<Conv2d>,
    conv_in: Conv2d,
    before: Resnet,
    attention: Option<PixelAttention>,
    after: Resnet,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    activation: Activation,
    scaling_factor: f64,
    shift_factor: f64,
}

impl VaeDecoder {
    /// Loads `post_quant_conv` and `decoder` with the names of diffusers.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(config: &VaeConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let (latent, groups) = (config.latent_channels, config.norm_num_groups);
        let (Some(&highest), Some(&lowest)) =
            (config.block_out_channels.first(), config.block_out_channels.last())
        else {
            candle_core::bail!("a decoder without blocks")
        };
        let resnet =
            ResnetConfig { groups, eps: NORM_EPS, activation: config.act_fn, time_dim: None };
        let post_quant = config.use_post_quant_conv.then(|| {
            Conv2d::load(latent, latent, Conv2dConfig::POINTWISE, vb.pp("post_quant_conv"))
        });
        let vb = vb.pp("decoder");
        let mid = vb.pp("mid_block");
        let same = Conv2dConfig::SAME_3X3;
        let attention = config
            .mid_block_add_attention
            .then(|| PixelAttention::load(groups, lowest, NORM_EPS, mid.pp("attentions").pp(0)));
        let mid = |index: usize| Resnet::load(lowest, lowest, resnet, mid.pp("resnets").pp(index));
        Ok(VaeDecoder {
            post_quant: post_quant.transpose()?,
            conv_in: Conv2d::load(latent, lowest, same, vb.pp("conv_in"))?,
            before: mid(0)?,
            attention: attention.transpose()?,
            after: mid(1)?,
            up: load_up(config, lowest, resnet, &vb.pp("up_blocks"))?,
            norm_out: GroupNorm::load(groups, highest, NORM_EPS, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::load(highest, config.out_channels, same, vb.pp("conv_out"))?,
            activation: config.act_fn,
            scaling_factor: config.scaling_factor,
            shift_factor: config.shift_factor.unwrap_or(0.0),
        })
    }

    /// Decodes `latents: [batch, latent, h, w]`, as a sampler leaves them, to
    /// `[batch, 3, h * scale, w * scale]` with values around [-1, 1].
    ///
    /// # Errors
    ///
    /// When the channels do not fit.
    pub fn forward(&self, latents: &Tensor) -> Result<Tensor> {
        let xs = latents.affine(1.0 / self.scaling_factor, self.shift_factor)?;
        let xs = match &self.post_quant {
            Some(conv) => conv.forward(&xs)?,
            None => xs,
        };
        let mut xs = self.before.forward(&self.conv_in.forward(&xs)?, None)?;
        if let Some(attention) = &self.attention {
            xs = attention.forward(&xs)?;
        }
        xs = self.after.forward(&xs, None)?;
        for block in &self.up {
            xs = block.forward(&xs)?;
        }
        self.conv_out.forward(&self.activation.forward(&self.norm_out.forward(&xs)?)?)
    }
}

/// `UpDecoderBlock2D` of diffusers.
#[derive(Debug)]
struct UpBlock {
    resnets: Vec<Resnet>,
    upsample: Option<Upsample>,
}

impl UpBlock {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let mut xs = xs.clone();
        for resnet in &self.resnets {
            xs = resnet.forward(&xs, None)?;
        }
        match &self.upsample {
            Some(upsample) => upsample.forward(&xs, 2 * xs.dim(2)?, 2 * xs.dim(3)?),
            None => Ok(xs),
        }
    }
}

fn load_up(
    config: &VaeConfig,
    lowest: usize,
    resnet: ResnetConfig,
    vb: &VarBuilder<'_>,
) -> Result<Vec<UpBlock>> {
    let count = config.block_out_channels.len();
    let mut inputs = lowest;
    let mut blocks = Vec::with_capacity(count);
    for (index, &channels) in config.block_out_channels.iter().rev().enumerate() {
        let vb = vb.pp(index);
        let mut resnets = Vec::with_capacity(config.layers_per_block + 1);
        for layer in 0..=config.layers_per_block {
            resnets.push(Resnet::load(inputs, channels, resnet, vb.pp("resnets").pp(layer))?);
            inputs = channels;
        }
        let upsample = (index + 1 < count)
            .then(|| Upsample::load(channels, vb.pp("upsamplers").pp(0)))
            .transpose()?;
        blocks.push(UpBlock { resnets, upsample });
    }
    Ok(blocks)
}
