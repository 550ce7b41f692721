//! The whole network.

use candle_core::{Result, Tensor};
use hps_nn::{Activation, Conv2d, Conv2dConfig, GroupNorm, VarBuilder};

use super::UNetConfig;
use super::config::{BlockDims, BlockType};
use super::down_block::{DownBlock, Placement};
use super::mid_block::MidBlock;
use super::time_embedding::TimeEmbedding;
use super::up_block::UpBlock;
use crate::layers::ResnetConfig;

/// `UNet2DConditionModel` of diffusers.
#[derive(Debug)]
pub struct UNet {
    time_embedding: TimeEmbedding,
    conv_in: Conv2d,
    down: Vec<DownBlock>,
    mid: MidBlock,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    activation: Activation,
}

/// What the blocks are told besides the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditioning<'a> {
    /// The time embedding after the activation, `[batch, dim]`.
    pub time: &'a Tensor,
    /// The text states, `[batch, len, dim]`.
    pub context: &'a Tensor,
}

impl UNet {
    /// Loads the network with the names of diffusers.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape, or the configuration's
    /// numbers of layers do not fit together.
    pub fn load(config: &UNetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let Some(first) = config.block(0) else { candle_core::bail!("a network without blocks") };
        let time_dim = 4 * first.channels;
        let resnet = ResnetConfig {
            groups: config.norm_num_groups,
            eps: config.norm_eps,
            activation: config.act_fn,
            time_dim: Some(time_dim),
        };
        let same = Conv2dConfig::SAME_3X3;
        let mut skips = vec![first.channels];
        let down = load_down(config, resnet, &mut skips, &vb)?;
        let lowest = dims(config, config.blocks() - 1)?;
        let groups = (config.norm_num_groups, config.norm_eps);
        Ok(UNet {
            time_embedding: TimeEmbedding::load(
                config,
                first.channels,
                time_dim,
                vb.pp("time_embedding"),
            )?,
            conv_in: Conv2d::load(config.in_channels, first.channels, same, vb.pp("conv_in"))?,
            down,
            mid: MidBlock::load(config, lowest, resnet, vb.pp("mid_block"))?,
            up: load_up(config, resnet, &mut skips, &vb)?,
            norm_out: GroupNorm::load(groups.0, first.channels, groups.1, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::load(first.channels, config.out_channels, same, vb.pp("conv_out"))?,
            activation: config.act_fn,
        })
    }

    /// Predicts from `sample: [batch, in, h, w]`, one timestep for each item and
    /// the text states `[batch, len, dim]`; returns `[batch, out, h, w]`.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit.
    pub fn forward(&self, sample: &Tensor, timesteps: &[f64], states: &Tensor) -> Result<Tensor> {
        if sample.dim(0)? != timesteps.len() || states.dim(0)? != timesteps.len() {
            candle_core::bail!(
                "{:?} latents, {} timesteps and {:?} states are no batch",
                sample.shape(),
                timesteps.len(),
                states.shape()
            )
        }
        let time = self.time_embedding.forward(timesteps, sample.device())?;
        // Every residual block starts with this activation; doing it once is enough.
        let time = self.activation.forward(&time)?;
        let conditioning = Conditioning { time: &time, context: states };
        let mut xs = self.conv_in.forward(sample)?;
        let mut skips = vec![xs.clone()];
        for block in &self.down {
            xs = block.forward(&xs, &conditioning, &mut skips)?;
        }
        xs = self.mid.forward(&xs, &conditioning)?;
        for block in &self.up {
            xs = block.forward(&xs, &conditioning, &mut skips)?;
        }
        self.conv_out.forward(&self.activation.forward(&self.norm_out.forward(&xs)?)?)
    }
}

/// Loads the blocks on the way down; `skips` gets the channels they keep.
fn load_down(
    config: &UNetConfig,
    resnet: ResnetConfig,
    skips: &mut Vec<usize>,
    vb: &VarBuilder<'_>,
) -> Result<Vec<DownBlock>> {
    let mut in_channels = dims(config, 0)?.channels;
    let mut blocks = Vec::with_capacity(config.blocks());
    for (index, &kind) in config.down_block_types.iter().enumerate() {
        let placement = placement(config, kind, index, index + 1 == config.blocks())?;
        let channels = placement.dims.channels;
        let vb = vb.pp("down_blocks").pp(index);
        blocks.push(DownBlock::load(config, placement, in_channels, resnet, vb)?);
        let kept = placement.dims.layers + usize::from(!placement.last);
        skips.extend(std::iter::repeat_n(channels, kept));
        in_channels = channels;
    }
    Ok(blocks)
}

/// Loads the blocks on the way up, which mirror those on the way down.
fn load_up(
    config: &UNetConfig,
    resnet: ResnetConfig,
    skips: &mut Vec<usize>,
    vb: &VarBuilder<'_>,
) -> Result<Vec<UpBlock>> {
    let count = config.blocks();
    let mut in_channels = dims(config, count - 1)?.channels;
    let mut blocks = Vec::with_capacity(count);
    for (index, &kind) in config.up_block_types.iter().enumerate() {
        let placement = placement(config, kind, count - 1 - index, index + 1 == count)?;
        let vb = vb.pp("up_blocks").pp(index);
        blocks.push(UpBlock::load(config, placement, in_channels, skips, resnet, vb)?);
        in_channels = placement.dims.channels;
    }
    Ok(blocks)
}

fn placement(config: &UNetConfig, kind: BlockType, index: usize, last: bool) -> Result<Placement> {
    Ok(Placement { kind, dims: dims(config, index)?, last })
}

fn dims(config: &UNetConfig, index: usize) -> Result<BlockDims> {
    match config.block(index) {
        Some(dims) => Ok(dims),
        None => candle_core::bail!("the configuration has no block {index}"),
    }
}
