//! The block at the lowest resolution: `UNetMidBlock2DCrossAttn`.

use candle_core::{Result, Tensor};
use hps_nn::VarBuilder;

use super::UNetConfig;
use super::config::BlockDims;
use super::model::Conditioning;
use super::transformer::Transformer;
use crate::layers::{Resnet, ResnetConfig};

/// A transformer between two residual blocks.
#[derive(Debug)]
pub(super) struct MidBlock {
    before: Resnet,
    attention: Transformer,
    after: Resnet,
}

impl MidBlock {
    pub fn load(
        config: &UNetConfig,
        dims: BlockDims,
        resnet: ResnetConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let load = |index: usize| {
            Resnet::load(dims.channels, dims.channels, resnet, vb.pp("resnets").pp(index))
        };
        Ok(MidBlock {
            before: load(0)?,
            attention: Transformer::load(config, dims, vb.pp("attentions").pp(0))?,
            after: load(1)?,
        })
    }

    /// Maps `[batch, channels, h, w]` to the same shape.
    pub fn forward(&self, xs: &Tensor, conditioning: &Conditioning<'_>) -> Result<Tensor> {
        let xs = self.before.forward(xs, Some(conditioning.time))?;
        let xs = self.attention.forward(&xs, conditioning.context)?;
        self.after.forward(&xs, Some(conditioning.time))
    }
}
