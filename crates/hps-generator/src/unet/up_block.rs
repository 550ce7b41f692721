//! A block on the way up: `UpBlock2D` and `CrossAttnUpBlock2D`.

use candle_core::{Result, Tensor};
use hps_nn::VarBuilder;

use super::UNetConfig;
use super::config::BlockType;
use super::down_block::Placement;
use super::model::Conditioning;
use super::transformer::Transformer;
use crate::layers::{Resnet, ResnetConfig, Upsample};

/// Residual blocks that also see what the way down has kept, and a doubling.
#[derive(Debug)]
pub(super) struct UpBlock {
    layers: Vec<(Resnet, Option<Transformer>)>,
    upsample: Option<Upsample>,
}

impl UpBlock {
    /// Loads a block that gets `in_channels` from below and takes one entry of
    /// `skips`, the channels kept on the way down, for each layer.
    pub fn load(
        config: &UNetConfig,
        placement: Placement,
        in_channels: usize,
        skips: &mut Vec<usize>,
        resnet: ResnetConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let Placement { kind, dims, last } = placement;
        let layer = |index: usize| {
            let below = if index == 0 { in_channels } else { dims.channels };
            let Some(kept) = skips.pop() else {
                candle_core::bail!("{}: more layers on the way up than down", vb.prefix())
            };
            let vb_resnet = vb.pp("resnets").pp(index);
            let resnet = Resnet::load(below + kept, dims.channels, resnet, vb_resnet)?;
            let attention = (kind == BlockType::Attention)
                .then(|| Transformer::load(config, dims, vb.pp("attentions").pp(index)));
            Ok((resnet, attention.transpose()?))
        };
        let layers = (0..=dims.layers).map(layer).collect::<Result<_>>()?;
        let upsample = (!last).then(|| Upsample::load(dims.channels, vb.pp("upsamplers").pp(0)));
        Ok(UpBlock { layers, upsample: upsample.transpose()? })
    }

    /// Maps `xs: [batch, in, h, w]` on, taking from the end of `skips`. The result
    /// has the size of the next of them, so odd sizes come back as they were.
    pub fn forward(
        &self,
        xs: &Tensor,
        conditioning: &Conditioning<'_>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut xs = xs.clone();
        for (resnet, attention) in &self.layers {
            let Some(kept) = skips.pop() else {
                candle_core::bail!("more layers on the way up than down")
            };
            xs = resnet.forward(&Tensor::cat(&[&xs, &kept], 1)?, Some(conditioning.time))?;
            if let Some(attention) = attention {
                xs = attention.forward(&xs, conditioning.context)?;
            }
        }
        match (&self.upsample, skips.last()) {
            (Some(upsample), Some(next)) => upsample.forward(&xs, next.dim(2)?, next.dim(3)?),
            _ => Ok(xs),
        }
    }
}
