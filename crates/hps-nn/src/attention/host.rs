//! The host's attention as an operation of candle.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use hps_core::Precision;

use super::Mask;
use crate::kernel::{Attention, Kernel, Sequences, attend, zeros};

/// Attention by a kernel.
pub(super) struct Attend {
    pub kernel: Kernel,
    pub precision: Precision,
    pub heads: usize,
    pub mask: Mask,
}

impl Attend {
    /// As [`attention`](super::attention), with shapes that fit.
    pub(super) fn apply(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let rows = |xs: &Tensor| match xs.stride().last() {
            Some(1) => Ok(xs.clone()),
            _ => xs.contiguous(),
        };
        rows(q)?.apply_op3_no_bwd(&rows(k)?, &rows(v)?, self)
    }
}

fn sequences<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<Sequences<'a>> {
    let (_, len, _) = layout.shape().dims3()?;
    let &[item_stride, row_stride, 1] = layout.stride() else {
        bail!("attention needs contiguous channels")
    };
    let values = storage.as_slice::<f32>()?.get(layout.start_offset()..).unwrap_or_default();
    Ok(Sequences { values, len, item_stride, row_stride })
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, len, width) = q_layout.shape().dims3()?;
        let operands = Attention {
            queries: sequences(q, q_layout)?,
            keys: sequences(k, k_layout)?,
            values: sequences(v, v_layout)?,
            batch,
            heads: self.heads,
            size: width / self.heads,
            causal: self.mask == Mask::Causal,
        };
        let mut out = zeros(batch * len * width);
        attend(self.kernel, self.precision, &operands, &mut out)?;
        Ok((CpuStorage::F32(out), (batch, len, width).into()))
    }
}
