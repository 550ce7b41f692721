//! The host's convolution as an operation of candle.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

use crate::Activation;
use crate::kernel::{Geometry, PackedFilters, Pictures, Tail, zeros};

/// A convolution with its tail.
pub(super) struct Convolve<'a> {
    pub filters: &'a dyn PackedFilters,
    pub bias: Option<&'a [f32]>,
    pub outputs: usize,
    pub geometry: Geometry,
    pub activation: Option<Activation>,
}

impl Convolve<'_> {
    /// Convolves `xs` and adds `residual`.
    pub(super) fn apply(&self, xs: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let xs = xs.contiguous()?;
        match residual {
            None => xs.apply_op1_no_bwd(self),
            Some(residual) => xs.apply_op2_no_bwd(&residual.contiguous()?, self),
        }
    }

    fn out_shape(&self, batch: usize) -> Shape {
        (batch, self.outputs, self.geometry.out_height, self.geometry.out_width).into()
    }

    fn run(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        residual: Option<&[f32]>,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, ..) = layout.shape().dims4()?;
        let values = contiguous(xs, layout)?;
        let shape = self.out_shape(batch);
        let mut out = zeros(shape.elem_count());
        let pictures = Pictures { values, batch, geometry: self.geometry };
        let tail = Tail { activation: self.activation, residual, ..Tail::default() };
        self.filters.forward(pictures, self.bias, &tail, &mut out)?;
        Ok((CpuStorage::F32(out), shape))
    }
}

/// The values of a contiguous tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a convolution needs contiguous tensors"),
    }
}

impl CustomOp1 for Convolve<'_> {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(xs, layout, None)
    }
}

impl CustomOp2 for Convolve<'_> {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, ..) = layout.shape().dims4()?;
        if residual_layout.shape() != &self.out_shape(batch) {
            bail!("a residual of {:?}", residual_layout.shape())
        }
        self.run(xs, layout, Some(contiguous(residual, residual_layout)?))
    }
}
