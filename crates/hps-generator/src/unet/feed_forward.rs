//! The feed-forward part of a transformer layer, with a gated linear unit
//! (GEGLU, <https://arxiv.org/abs/2002.05202>).

use candle_core::{D, Result, Tensor};
use hps_nn::{Activation, Linear, VarBuilder};

/// `out(a * gelu(b))` with `[a, b] = proj(x)`.
#[derive(Debug)]
pub(super) struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    /// Loads `net.0.proj` and `net.2`; the inner width is four times `dim`.
    pub fn load(dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let vb = vb.pp("net");
        Ok(FeedForward {
            proj: Linear::load(dim, 8 * dim, vb.pp(0).pp("proj"))?,
            out: Linear::load(4 * dim, dim, vb.pp(2))?,
        })
    }

    /// Maps `[batch, n, dim]` to the same shape.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let xs = self.proj.forward(xs)?;
        let inner = xs.dim(D::Minus1)? / 2;
        let gate = xs.narrow(D::Minus1, inner, inner)?.contiguous()?;
        let gate = Activation::Gelu.forward(&gate)?;
        self.out.forward(&(xs.narrow(D::Minus1, 0, inner)? * gate)?)
    }
}
