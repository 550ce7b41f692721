//! Multi-head attention of a transformer layer: `Attention` of diffusers.

use candle_core::{Result, Tensor};
use hps_nn::{Linear, VarBuilder, merge_heads, scaled_dot_product_attention, split_heads};

/// Attention of pixels over pixels or over text.
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
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
        })
    }

    /// Attention of `xs: [batch, n, dim]` over `context: [batch, m, context_dim]`.
    pub fn forward(&self, xs: &Tensor, context: &Tensor) -> Result<Tensor> {
        let query = split_heads(&self.query.forward(xs)?, self.heads)?;
        let key = split_heads(&self.key.forward(context)?, self.heads)?;
        let value = split_heads(&self.value.forward(context)?, self.heads)?;
        let ys = scaled_dot_product_attention(&query, &key, &value, None)?;
        self.out.forward(&merge_heads(&ys)?)
    }
}
