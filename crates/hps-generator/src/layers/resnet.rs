//! Residual block: `ResnetBlock2D` of diffusers.

use candle_core::{Result, Tensor};
use hps_nn::{Activation, Conv2d, Conv2dConfig, GroupNorm, Linear, VarBuilder};

/// What the residual blocks of one network share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResnetConfig {
    /// Groups of both norms.
    pub groups: usize,
    /// Epsilon of both norms.
    pub eps: f64,
    /// The activation before each convolution.
    pub activation: Activation,
    /// Width of the time embedding, where there is one.
    pub time_dim: Option<usize>,
}

/// `shortcut(x) + conv2(act(norm2(conv1(act(norm1(x))) + time)))`.
#[derive(Debug)]
pub(crate) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
    activation: Activation,
}

impl Resnet {
    pub fn load(
        in_channels: usize,
        out_channels: usize,
        config: ResnetConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let ResnetConfig { groups, eps, activation, time_dim } = config;
        let same = Conv2dConfig::SAME_3X3;
        let time = time_dim.map(|dim| Linear::load(dim, out_channels, vb.pp("time_emb_proj")));
        let shortcut = (in_channels != out_channels).then(|| {
            let vb = vb.pp("conv_shortcut");
            Conv2d::load(in_channels, out_channels, Conv2dConfig::POINTWISE, vb)
        });
        Ok(Resnet {
            norm1: GroupNorm::load(groups, in_channels, eps, vb.pp("norm1"))?,
            conv1: Conv2d::load(in_channels, out_channels, same, vb.pp("conv1"))?,
            time: time.transpose()?,
            norm2: GroupNorm::load(groups, out_channels, eps, vb.pp("norm2"))?,
            conv2: Conv2d::load(out_channels, out_channels, same, vb.pp("conv2"))?,
            shortcut: shortcut.transpose()?,
            activation,
        })
    }

    /// Maps `xs: [batch, in, h, w]` to `[batch, out, h, w]`. `time: [batch, dim]`
    /// is the time embedding after the activation.
    pub fn forward(&self, xs: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let ys = self.activation.forward(&self.norm1.forward(xs)?)?;
        let mut ys = self.conv1.forward(&ys)?;
        if let (Some(layer), Some(time)) = (&self.time, time) {
            let (batch, channels, ..) = ys.dims4()?;
            ys = ys.broadcast_add(&layer.forward(time)?.reshape((batch, channels, 1, 1))?)?;
        }
        let ys = self.activation.forward(&self.norm2.forward(&ys)?)?;
        match &self.shortcut {
            Some(shortcut) => self.conv2.forward_then(&ys, None, Some(&shortcut.forward(xs)?)),
            None => self.conv2.forward_then(&ys, None, Some(xs)),
        }
    }
}
