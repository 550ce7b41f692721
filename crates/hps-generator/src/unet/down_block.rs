//! A block on the way down: `DownBlock2D` and `CrossAttnDownBlock2D`.

use candle_core::{Result, Tensor};
use hps_nn::VarBuilder;

use super::UNetConfig;
use super::config::{BlockDims, BlockType};
use super::model::Conditioning;
use super::transformer::Transformer;
use crate::layers::{Downsample, Resnet, ResnetConfig};

/// Residual blocks, each with a transformer in some networks, and a halving.
#[derive(Debug)]
pub(super) struct DownBlock {
    layers: Vec<(Resnet, Option<Transformer>)>,
    downsample: Option<Downsample>,
}

/// Where a block sits in its network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    pub kind: BlockType,
    pub dims: BlockDims,
    /// Whether no other block follows at another resolution.
    pub last: bool,
}

impl DownBlock {
    pub fn load(
        config: &UNetConfig,
        placement: Placement,
        in_channels: usize,
        resnet: ResnetConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let Placement { kind, dims, last } = placement;
        let layer = |index: usize| {
            let inputs = if index == 0 { in_channels } else { dims.channels };
            let resnet = Resnet::load(inputs, dims.channels, resnet, vb.pp("resnets").pp(index))?;
            let attention = (kind == BlockType::Attention)
                .then(|| Transformer::load(config, dims, vb.pp("attentions").pp(index)));
            Ok((resnet, attention.transpose()?))
        };
        let downsample = (!last).then(|| {
            let vb = vb.pp("downsamplers").pp(0);
            Downsample::load(dims.channels, config.downsample_padding, vb)
        });
        Ok(DownBlock {
            layers: (0..dims.layers).map(layer).collect::<Result<_>>()?,
            downsample: downsample.transpose()?,
        })
    }

    /// Maps `xs: [batch, in, h, w]` on, and appends every intermediate result that
    /// the way up will need to `skips`.
    pub fn forward(
        &self,
        xs: &Tensor,
        conditioning: &Conditioning<'_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut xs = xs.clone();
        for (resnet, attention) in &self.layers {
            xs = resnet.forward(&xs, Some(conditioning.time))?;
            if let Some(attention) = attention {
                xs = attention.forward(&xs, conditioning.context)?;
            }
            skips.push(xs.clone());
        }
        if let Some(downsample) = &self.downsample {
            xs = downsample.forward(&xs)?;
            skips.push(xs.clone());
        }
        Ok(xs)
    }
}
