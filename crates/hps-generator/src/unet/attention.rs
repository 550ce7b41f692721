//! Multi-head attention of a transformer layer: `Attention` of diffusers.

use candle_core::{Result, Tensor};
use hps_core::Precision;
use hps_nn::{Linear, Mask, VarBuilder, attention};

/// Attention of pixels over pixels or over text.
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    precision: Precision,
}

impl Attention {
    /// Loads `to_q`, `to_k`, `to_v` (without bias) and `to_out.0`, with keys and
    /// values from states of width `context_dim`.
    pub fn load(dim: usize, context_dim: usize, heads: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Attention {
            query: Linear::load_without_bias(dim, dim, vb.pp("to_q"))?,
            key: Linear::load_without_bias(context_dim, dim, vb.pp("to_k"))?,
            value: Linear::load_without_bias(context_dim, dim, vb.pp("to_v"))?,
            out: Linear::load(dim, dim, vb.pp("to_out").pp(0))?,
            heads,
            precision: vb.precision(),
        })
    }

    /// Attention of `xs: [batch, n, dim]` over `context: [batch, m, context_dim]`.
    pub fn forward(&self, xs: &Tensor, context: &Tensor) -> Result<Tensor> {
        let query = self.query.forward(xs)?;
        let (key, value) = (self.key.forward(context)?, self.value.forward(context)?);
        let ys = attention(&query, &key, &value, self.heads, Mask::None, self.precision)?;
        self.out.forward(&ys)
    }
}
