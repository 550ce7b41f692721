//! The residual block both towers are made of.
//!
//! `x += attn(ln_1(x)); x += c_proj(act(c_fc(ln_2(x))))`, as open_clip's
//! `ResidualAttentionBlock`.

use candle_core::{Result, Tensor};
use hps_nn::Activation;

use super::activation;
use super::attention::Attention;
use super::layer_norm::LayerNorm;
use super::linear::Linear;
use super::parameters::{Gradients, Parameters};
use super::rows::Kept;

/// One pre-norm transformer block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    ln_1: LayerNorm,
    in_proj: Linear,
    attention: Attention,
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    activation: Activation,
    c_proj: Linear,
}

/// What differs between blocks apart from their tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockOptions {
    pub(super) attention: Attention,
    pub(super) activation: Activation,
    pub(super) eps: f64,
}

/// What the backward pass of a block needs.
pub(super) struct BlockTape {
    xs: Tensor,
    normed_1: Tensor,
    qkv: Tensor,
    attended: Tensor,
    middle: Tensor,
    normed_2: Tensor,
    hidden: Tensor,
    activated: Tensor,
}

impl Block {
    /// The block whose tensors' names begin with `name`.
    pub(super) fn new(parameters: &Parameters, name: &str, options: BlockOptions) -> Result<Self> {
        let linear = |part: &str| {
            let (weight, bias) = (format!("{name}.{part}.weight"), format!("{name}.{part}.bias"));
            Linear::new(parameters, &weight, &bias)
        };
        let in_proj = [format!("{name}.attn.in_proj_weight"), format!("{name}.attn.in_proj_bias")];
        Ok(Block {
            ln_1: LayerNorm::new(parameters, &format!("{name}.ln_1"), options.eps)?,
            in_proj: Linear::new(parameters, &in_proj[0], &in_proj[1])?,
            attention: options.attention,
            out_proj: linear("attn.out_proj")?,
            ln_2: LayerNorm::new(parameters, &format!("{name}.ln_2"), options.eps)?,
            c_fc: linear("mlp.c_fc")?,
            activation: options.activation,
            c_proj: linear("mlp.c_proj")?,
        })
    }

    /// `xs: [items * len, width]` to the same shape, or to those rows of it that
    /// `kept` names.
    pub(super) fn forward(
        &self,
        parameters: &Parameters,
        xs: &Tensor,
        len: usize,
        kept: Kept<'_>,
    ) -> Result<(Tensor, BlockTape)> {
        let normed_1 = self.ln_1.forward(parameters, xs)?;
        let qkv = self.in_proj.forward(parameters, &normed_1, None)?;
        let attended = kept.take(&self.attention.forward(&qkv, len)?)?;
        let middle = self.out_proj.forward(parameters, &attended, Some(&kept.take(xs)?))?;
        let normed_2 = self.ln_2.forward(parameters, &middle)?;
        let hidden = self.c_fc.forward(parameters, &normed_2, None)?;
        let activated = activation::forward(self.activation, &hidden)?;
        let ys = self.c_proj.forward(parameters, &activated, Some(&middle))?;
        let xs = xs.clone();
        let tape = BlockTape { xs, normed_1, qkv, attended, middle, normed_2, hidden, activated };
        Ok((ys, tape))
    }

    /// Adds the gradients of the block's parameters, where `dys` is that of its
    /// result, and returns that of its input.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        tape: BlockTape,
        (dys, len, kept): (&Tensor, usize, Kept<'_>),
    ) -> Result<Tensor> {
        let rows = tape.xs.dim(0)?;
        let d = self.c_proj.backward(parameters, gradients, &tape.activated, dys)?;
        let d = activation::backward(self.activation, &tape.hidden, &d)?;
        let d = self.c_fc.backward(parameters, gradients, &tape.normed_2, &d)?;
        let d_middle = self.ln_2.backward(parameters, gradients, (&tape.middle, &d), Some(dys))?;
        let d = self.out_proj.backward(parameters, gradients, &tape.attended, &d_middle)?;
        let d = self.attention.backward(&tape.qkv, &kept.put(&d, rows)?, len)?;
        let d = self.in_proj.backward(parameters, gradients, &tape.normed_1, &d)?;
        let residual = kept.put(&d_middle, rows)?;
        self.ln_1.backward(parameters, gradients, (&tape.xs, &d), Some(&residual))
    }

    /// Whether any of its tensors is trained.
    pub(super) fn is_trainable(&self, parameters: &Parameters) -> bool {
        let norms = [self.ln_1, self.ln_2].map(|norm| norm.is_trainable(parameters));
        let layers = [self.in_proj, self.out_proj, self.c_fc, self.c_proj];
        norms.contains(&true) || layers.iter().any(|layer| layer.is_trainable(parameters))
    }
}
