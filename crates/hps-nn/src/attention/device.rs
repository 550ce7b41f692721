//! Attention in candle's operations.

use candle_core::{D, Device, Result, Tensor};

use super::Mask;

/// As [`attention`](super::attention), with shapes that fit.
pub(super) fn attend(
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    heads: usize,
    mask: Mask,
) -> Result<Tensor> {
    let (batch, len, width) = q.dims3()?;
    let size = width / heads;
    let split =
        |xs: &Tensor| xs.reshape((batch, xs.dim(1)?, heads, size))?.transpose(1, 2)?.contiguous();
    let q = (split(q)? * (1.0 / (size as f64).sqrt()))?;
    let mut scores = q.matmul(&split(k)?.t()?)?;
    if mask == Mask::Causal {
        scores = scores.broadcast_add(&causal(len, k.dim(1)?, q.device())?)?;
    }
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
    weights.matmul(&split(v)?)?.transpose(1, 2)?.reshape((batch, len, width))
}

/// 0 on and below the diagonal of `[queries, keys]`, -inf above.
fn causal(queries: usize, keys: usize, device: &Device) -> Result<Tensor> {
    let value = |index: usize| if index % keys > index / keys { f32::NEG_INFINITY } else { 0.0 };
    Tensor::from_vec((0..queries * keys).map(value).collect(), (queries, keys), device)
}
