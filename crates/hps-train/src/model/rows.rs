//! Which rows go on where only some of them are read later.

use candle_core::{Result, Tensor};

/// Rows of a matrix. The last block of a tower computes only those that are pooled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kept<'a> {
    /// Every row.
    All,
    /// The rows of this tensor of `u32` indices, each at most once.
    Rows(&'a Tensor),
}

impl Kept<'_> {
    /// The rows of `xs`.
    pub(super) fn take(&self, xs: &Tensor) -> Result<Tensor> {
        match self {
            Kept::All => Ok(xs.clone()),
            Kept::Rows(indices) => xs.index_select(indices, 0),
        }
    }

    /// `xs` in its rows of a matrix of `rows` rows that is 0 elsewhere.
    pub(super) fn put(&self, xs: &Tensor, rows: usize) -> Result<Tensor> {
        match self {
            Kept::All => Ok(xs.clone()),
            Kept::Rows(indices) => {
                let zeros = Tensor::zeros((rows, xs.dim(1)?), xs.dtype(), xs.device())?;
                zeros.index_add(indices, xs, 0)
            }
        }
    }
}
