//! The decoder's attention: one head over all pixels.

use candle_core::{Result, Tensor};
use hps_core::Precision;
use hps_nn::{GroupNorm, Linear, Mask, VarBuilder, attention};

/// `Attention` of diffusers with a group norm, one head and a residual.
#[derive(Debug)]
pub(super) struct PixelAttention {
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    precision: Precision,
}

impl PixelAttention {
    /// Loads the attention under its present names (`to_q`, …) or, where a file
    /// is older, under its former ones (`query`, …).
    pub fn load(groups: usize, channels: usize, eps: f64, vb: VarBuilder<'_>) -> Result<Self> {
        let linear = |name: &str, former: &str| {
            let old = vb.contains_tensor(&format!("{former}.weight"));
            Linear::load(channels, channels, vb.pp(if old { former } else { name }))
        };
        Ok(PixelAttention {
            norm: GroupNorm::load(groups, channels, eps, vb.pp("group_norm"))?,
            query: linear("to_q", "query")?,
            key: linear("to_k", "key")?,
            value: linear("to_v", "value")?,
            out: linear("to_out.0", "proj_attn")?,
            precision: vb.precision(),
        })
    }

    /// Maps `[batch, channels, h, w]` to the same shape.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = xs.dims4()?;
        let ys = self.norm.forward(xs)?.reshape((batch, channels, height * width))?;
        let ys = ys.transpose(1, 2)?.contiguous()?;
        let (query, key) = (self.query.forward(&ys)?, self.key.forward(&ys)?);
        let value = self.value.forward(&ys)?;
        let ys = attention(&query, &key, &value, 1, Mask::None, self.precision)?;
        let ys = self.out.forward(&ys)?.transpose(1, 2)?.contiguous()?;
        xs + ys.reshape((batch, channels, height, width))?
    }
}
