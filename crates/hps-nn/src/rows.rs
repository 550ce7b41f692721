//! Host kernels that map rows of `f32` independently of each other.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernel::zeros;

/// A function from one row to one row of the same length.
pub(crate) trait RowKernel: Send + Sync {
    /// The kernel's name in error messages.
    const NAME: &'static str;

    /// Maps `row` to `out`; `index` counts rows from 0.
    fn map(&self, index: usize, row: &[f32], out: &mut [f32]);
}

struct RowOp<K> {
    kernel: K,
    len: usize,
}

impl<K: RowKernel> CustomOp1 for RowOp<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = storage.as_slice::<f32>()?;
        let values = match layout.contiguous_offsets() {
            Some((start, end)) => &values[start..end],
            None => bail!("{} needs a contiguous tensor", K::NAME),
        };
        let mut out = zeros(values.len());
        if self.len > 0 {
            out.par_chunks_mut(self.len)
                .zip(values.par_chunks(self.len))
                .enumerate()
                .for_each(|(index, (out, row))| self.kernel.map(index, row, out));
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Applies `kernel` to every consecutive `len` values of `xs` on the host; the last
/// row may be shorter.
pub(crate) fn map_rows<K: RowKernel>(xs: &Tensor, len: usize, kernel: K) -> Result<Tensor> {
    xs.contiguous()?.apply_op1_no_bwd(&RowOp { kernel, len })
}
