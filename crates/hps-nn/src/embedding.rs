//! Table look-up, as `torch.nn.Embedding`.

use candle_core::{DType, Result, Tensor};

use crate::VarBuilder;

/// `torch.nn.Embedding`. The table stays as it is stored; what is looked up is `f32`.
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
        Ok(Embedding { weight: vb.get_stored((rows, dim), "weight")? })
    }

    /// Maps `ids: [batch, len]` to `[batch, len, dim]`.
    ///
    /// # Errors
    ///
    /// When an id is not below the number of rows.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, len) = ids.dims2()?;
        let rows = self.weight.index_select(&ids.flatten_all()?, 0)?;
        rows.to_dtype(DType::F32)?.reshape((batch, len, ()))
    }
}
