//! A transformer over pixels: `Transformer2DModel` of diffusers.

use candle_core::{Result, Tensor};
use hps_nn::{GroupNorm, LayerNorm, Linear, VarBuilder};

use super::UNetConfig;
use super::attention::Attention;
use super::config::BlockDims;
use super::feed_forward::FeedForward;

/// Fixed in diffusers, whatever the configuration says.
const GROUP_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// Norm, projection, layers, projection, all added to the input.
#[derive(Debug)]
pub(super) struct Transformer {
    norm: GroupNorm,
    proj_in: Linear,
    layers: Vec<Layer>,
    proj_out: Linear,
}

impl Transformer {
    pub fn load(config: &UNetConfig, dims: BlockDims, vb: VarBuilder<'_>) -> Result<Self> {
        let layers = (0..dims.transformer_layers)
            .map(|index| Layer::load(dims, vb.pp("transformer_blocks").pp(index)));
        let projection = |name| projection(config, dims.channels, vb.pp(name));
        Ok(Transformer {
            norm: GroupNorm::load(
                config.norm_num_groups,
                dims.channels,
                GROUP_NORM_EPS,
                vb.pp("norm"),
            )?,
            proj_in: projection("proj_in")?,
            layers: layers.collect::<Result<_>>()?,
            proj_out: projection("proj_out")?,
        })
    }

    /// Maps `xs: [batch, channels, h, w]` to the same shape, looking at
    /// `context: [batch, len, dim]`.
    pub fn forward(&self, xs: &Tensor, context: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = xs.dims4()?;
        let ys = self.norm.forward(xs)?.reshape((batch, channels, height * width))?;
        let mut ys = self.proj_in.forward(&ys.transpose(1, 2)?.contiguous()?)?;
        for layer in &self.layers {
            ys = layer.forward(&ys, context)?;
        }
        let ys = self.proj_out.forward(&ys)?.transpose(1, 2)?.contiguous()?;
        xs + ys.reshape((batch, channels, height, width))?
    }
}

/// An outer projection. A 1×1 convolution is a linear layer on pixels, stored
/// with two more dimensions.
fn projection(config: &UNetConfig, channels: usize, vb: VarBuilder<'_>) -> Result<Linear> {
    if config.use_linear_projection {
        return Linear::load(channels, channels, vb);
    }
    let weight =
        vb.get_stored((channels, channels, 1, 1), "weight")?.reshape((channels, channels))?;
    Linear::new(&weight, Some(&vb.get(channels, "bias")?), vb.precision())
}

/// `BasicTransformerBlock` of diffusers: attention over the pixels, over the
/// text, and a feed-forward part, each with a norm before and a residual.
#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    over_pixels: Attention,
    norm2: LayerNorm,
    over_text: Attention,
    norm3: LayerNorm,
    feed_forward: FeedForward,
}

impl Layer {
    fn load(dims: BlockDims, vb: VarBuilder<'_>) -> Result<Self> {
        let BlockDims { channels, heads, context_dim, .. } = dims;
        let norm = |name| LayerNorm::load(channels, LAYER_NORM_EPS, vb.pp(name));
        Ok(Layer {
            norm1: norm("norm1")?,
            over_pixels: Attention::load(channels, channels, heads, vb.pp("attn1"))?,
            norm2: norm("norm2")?,
            over_text: Attention::load(channels, context_dim, heads, vb.pp("attn2"))?,
            norm3: norm("norm3")?,
            feed_forward: FeedForward::load(channels, vb.pp("ff"))?,
        })
    }

    fn forward(&self, xs: &Tensor, context: &Tensor) -> Result<Tensor> {
        let ys = self.norm1.forward(xs)?;
        let xs = (self.over_pixels.forward(&ys, &ys)? + xs)?;
        let xs = (self.over_text.forward(&self.norm2.forward(&xs)?, context)? + xs)?;
        self.feed_forward.forward(&self.norm3.forward(&xs)?)? + xs
    }
}
