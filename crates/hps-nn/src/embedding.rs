//! Table look-up, as `torch.nn.Embedding`.

use candle_core::{Result, Tensor};

use crate::VarBuilder;

/// `torch.nn.Embedding`.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// Loads `weight: [rows, dim]`.
    ///
    /// # Errors
    ///
    /// When the tensor is missing or has another shape.
    pub fn load(rows: usize, dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Embedding { weight: vb.get((rows, dim), "weight")? })
    }

    /// Maps `ids: [batch, len]` to `[batch, len, dim]`.
    ///
    /// # Errors
    ///
    /// When an id is not below the number of rows.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, len) = ids.dims2()?;
        self.weight.index_select(&ids.flatten_all()?, 0)?.reshape((batch, len, ()))
    }
}
