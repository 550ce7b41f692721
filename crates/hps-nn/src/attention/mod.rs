//! Scaled dot-product attention: `softmax(q k^T / sqrt(d) + mask) v`.
//!
//! On the host it runs block by block on views of the operands, without copies of heads
//! and without a matrix of weights. Elsewhere candle's operations are used.

mod device;
mod host;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor, bail};
use hps_core::Precision;

use crate::kernel::{Kernel, kernel};

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All.
    None,
    /// Query `i` sees keys `0..=i`.
    Causal,
}

/// Attention of `q: [batch, n, heads * d]` over `k, v: [batch, m, heads * d]`, where each
/// head has `d` consecutive channels. Returns `[batch, n, heads * d]`.
///
/// Operands may be views whose channels are contiguous, such as parts of a fused
/// projection; others are copied. A row of the result depends on its query, the keys and
/// the values of its item, and on nothing else.
///
/// # Errors
///
/// When the shapes do not fit, `heads` does not divide the channels, or there are no keys.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    mask: Mask,
    precision: Precision,
) -> Result<Tensor> {
    with_kernel(kernel(), (q, k, v), heads, mask, precision)
}

fn with_kernel(
    kernel: Kernel,
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    heads: usize,
    mask: Mask,
    precision: Precision,
) -> Result<Tensor> {
    let (batch, _, width) = q.dims3()?;
    let (_, len, _) = k.dims3()?;
    if k.dims() != [batch, len, width] || k.dims() != v.dims() {
        bail!("attention of {:?} over {:?} and {:?}", q.shape(), k.shape(), v.shape())
    }
    if heads == 0 || !width.is_multiple_of(heads) {
        bail!("{width} channels do not split into {heads} heads")
    }
    if len == 0 {
        bail!("attention over no keys")
    }
    if !q.device().is_cpu() {
        return device::attend((q, k, v), heads, mask);
    }
    host::Attend { kernel, precision, heads, mask }.apply(q, k, v)
}
