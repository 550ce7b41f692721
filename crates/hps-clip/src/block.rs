//! The residual block both towers are made of.
//!
//! `x += attn(ln_1(x)); x += c_proj(act(c_fc(ln_2(x))))`, with fused query, key
//! and value projections, as open_clip's `ResidualAttentionBlock`.

use candle_core::{D, Result, Tensor};
use hps_nn::{
    Activation, LayerNorm, Linear, VarBuilder, merge_heads, scaled_dot_product_attention,
    split_heads,
};

/// The dimensions of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    pub(crate) width: usize,
    pub(crate) heads: usize,
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
    activation: Activation,
}

impl Block {
    pub(crate) fn load(config: BlockConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let BlockConfig { width, heads, mlp_width, activation, eps } = config;
        let attn = vb.pp("attn");
        let in_proj = Linear::new(
            attn.get((3 * width, width), "in_proj_weight")?,
            Some(attn.get(3 * width, "in_proj_bias")?),
        );
        Ok(Block {
            ln_1: LayerNorm::load(width, eps, vb.pp("ln_1"))?,
            in_proj,
            out_proj: Linear::load(width, width, attn.pp("out_proj"))?,
            ln_2: LayerNorm::load(width, eps, vb.pp("ln_2"))?,
            c_fc: Linear::load(width, mlp_width, vb.pp("mlp").pp("c_fc"))?,
            c_proj: Linear::load(mlp_width, width, vb.pp("mlp").pp("c_proj"))?,
            heads,
            activation,
        })
    }

    /// `xs: [batch, len, width]` to the same shape.
    pub(crate) fn forward(&self, xs: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let xs = (xs + self.attention(&self.ln_1.forward(xs)?, mask)?)?;
        let hidden = self.c_fc.forward(&self.ln_2.forward(&xs)?)?;
        &xs + self.c_proj.forward(&self.activation.forward(&hidden)?)?
    }

    fn attention(&self, xs: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let width = xs.dim(D::Minus1)?;
        let qkv = self.in_proj.forward(xs)?;
        let part = |i: usize| split_heads(&qkv.narrow(D::Minus1, i * width, width)?, self.heads);
        let attended = scaled_dot_product_attention(&part(0)?, &part(1)?, &part(2)?, mask)?;
        self.out_proj.forward(&merge_heads(&attended)?)
    }
}
