//! The residual block both towers are made of.
//!
//! `x += attn(ln_1(x)); x += c_proj(act(c_fc(ln_2(x))))`, with fused query, key
//! and value projections, as open_clip's `ResidualAttentionBlock`.

use candle_core::{D, Result, Tensor};
use hps_core::Precision;
use hps_nn::{Activation, LayerNorm, Linear, Mask, VarBuilder, attention};

/// The dimensions of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Which positions a position sees.
    pub(crate) mask: Mask,
    pub(crate) mlp_width: usize,
    pub(crate) activation: Activation,
    pub(crate) eps: f64,
}

/// One pre-norm transformer block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    ln_1: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
    heads: usize,
    mask: Mask,
    precision: Precision,
    activation: Activation,
}

impl Block {
    pub(crate) fn load(config: BlockConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let BlockConfig { width, heads, mask, mlp_width, activation, eps } = config;
        let attn = vb.pp("attn");
        let in_proj = Linear::new(
            &attn.get_stored((3 * width, width), "in_proj_weight")?,
            Some(&attn.get(3 * width, "in_proj_bias")?),
            vb.precision(),
        )?;
        Ok(Block {
            ln_1: LayerNorm::load(width, eps, vb.pp("ln_1"))?,
            in_proj,
            out_proj: Linear::load(width, width, attn.pp("out_proj"))?,
            ln_2: LayerNorm::load(width, eps, vb.pp("ln_2"))?,
            c_fc: Linear::load(width, mlp_width, vb.pp("mlp").pp("c_fc"))?,
            c_proj: Linear::load(mlp_width, width, vb.pp("mlp").pp("c_proj"))?,
            heads,
            mask,
            precision: vb.precision(),
            activation,
        })
    }

    /// `xs: [batch, len, width]` to the same shape.
    pub(crate) fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        self.forward_prefix(xs, xs.dim(1)?)
    }

    /// The first `count` rows of [`forward`](Self::forward), for a last block of which no
    /// others are wanted: a row's result does not depend on the rows computed beside it.
    pub(crate) fn forward_prefix(&self, xs: &Tensor, count: usize) -> Result<Tensor> {
        let attended = self.attention(&self.ln_1.forward(xs)?, count)?;
        let xs = self.out_proj.forward_then(&attended, None, Some(&xs.narrow(1, 0, count)?))?;
        let hidden = self.ln_2.forward(&xs)?;
        let hidden = self.c_fc.forward_for(&self.c_proj, &hidden, Some(self.activation))?;
        self.c_proj.forward_then(&hidden, None, Some(&xs))
    }

    /// Attention of the first `count` rows over all.
    fn attention(&self, xs: &Tensor, count: usize) -> Result<Tensor> {
        let width = xs.dim(D::Minus1)?;
        let qkv = self.in_proj.forward(xs)?;
        let part = |i: usize| qkv.narrow(D::Minus1, i * width, width);
        let query = part(0)?.narrow(1, 0, count)?;
        attention(&query, &part(1)?, &part(2)?, self.heads, self.mask, self.precision)
    }
}
