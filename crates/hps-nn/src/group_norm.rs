//! Group normalisation of `[batch, channels, height, width]`, as
//! `torch.nn.GroupNorm`.

use candle_core::{Result, Tensor};

use crate::VarBuilder;
use crate::kernel::{Routine, kernel, multiply_add, vectorise};
use crate::moments::Moments;
use crate::rows::{RowKernel, map_rows};

/// `torch.nn.GroupNorm` with an affine transform.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    host: Option<(Vec<f32>, Vec<f32>)>,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Loads `weight` and `bias`, both `[channels]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or misshaped, or `groups` does not divide
    /// `channels`.
    pub fn load(groups: usize, channels: usize, eps: f64, vb: VarBuilder<'_>) -> Result<Self> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            candle_core::bail!("{channels} channels do not split into {groups} groups")
        }
        let weight = vb.get(channels, "weight")?;
        let bias = vb.get(channels, "bias")?;
        let host = if weight.device().is_cpu() {
            Some((weight.to_vec1()?, bias.to_vec1()?))
        } else {
            None
        };
        Ok(GroupNorm { weight, bias, host, groups, eps })
    }

    /// Normalises each group of channels of `xs: [batch, channels, ...]`.
    ///
    /// # Errors
    ///
    /// When `xs` has another number of channels.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let (batch, channels) = (xs.dim(0)?, xs.dim(1)?);
        if channels != self.weight.dim(0)? {
            candle_core::bail!("group norm of {} got {:?}", self.weight.dim(0)?, xs.shape())
        }
        let Some((weight, bias)) = &self.host else { return self.forward_ops(xs) };
        let len = xs.elem_count() / (batch * self.groups).max(1);
        if batch == 0 || len == 0 {
            return Ok(xs.clone());
        }
        let kernel = Normalise {
            weight,
            bias,
            groups: self.groups,
            channel_len: len / (channels / self.groups),
            eps: self.eps,
        };
        map_rows(xs, len, kernel)
    }

    fn forward_ops(&self, xs: &Tensor) -> Result<Tensor> {
        let (channels, dims) = (xs.dim(1)?, xs.dims().to_vec());
        let grouped = xs.reshape((dims[0], self.groups, ()))?;
        let centred = grouped.broadcast_sub(&grouped.mean_keepdim(2)?)?;
        let variance = centred.sqr()?.mean_keepdim(2)?;
        let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?.reshape(dims)?;
        let affine = vec![1, channels].into_iter().chain(vec![1; xs.rank() - 2]);
        let affine: Vec<usize> = affine.collect();
        normed
            .broadcast_mul(&self.weight.reshape(affine.clone())?)?
            .broadcast_add(&self.bias.reshape(affine)?)
    }
}

struct Normalise<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    groups: usize,
    channel_len: usize,
    eps: f64,
}

impl RowKernel for Normalise<'_> {
    const NAME: &'static str = "group-norm";

    fn map(&self, index: usize, row: &[f32], out: &mut [f32]) {
        let per_group = self.weight.len() / self.groups;
        let first = index % self.groups * per_group;
        vectorise(
            kernel(),
            NormaliseGroup {
                weight: &self.weight[first..first + per_group],
                bias: &self.bias[first..first + per_group],
                channel_len: self.channel_len,
                eps: self.eps,
                row,
                out,
            },
        );
    }
}

/// One group of channels, with the parameters of those.
struct NormaliseGroup<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    channel_len: usize,
    eps: f64,
    row: &'a [f32],
    out: &'a mut [f32],
}

impl Routine for NormaliseGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let moments = Moments::of::<FMA>(self.row, self.eps);
        let channels = self.out.chunks_mut(self.channel_len).zip(self.row.chunks(self.channel_len));
        for ((out, row), (&w, &b)) in channels.zip(self.weight.iter().zip(self.bias)) {
            for (y, &x) in out.iter_mut().zip(row) {
                *y = multiply_add::<FMA>(moments.normalise(x), w, b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use candle_core::Device;

    use super::*;

    #[test]
    fn host_kernel_equals_primitive_ops() {
        let device = Device::Cpu;
        let values: Vec<f32> = (0..2 * 6 * 4 * 3).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let xs = Tensor::from_vec(values, (2, 6, 4, 3), &device).expect("tensor");
        let tensors = HashMap::from([
            ("weight".into(), Tensor::new(&[1f32, 2.0, 3.0, 0.5, 1.5, -1.0], &device).unwrap()),
            ("bias".into(), Tensor::new(&[0f32, 0.1, 0.2, 0.3, 0.4, 0.5], &device).unwrap()),
        ]);
        let vb = VarBuilder::from_tensors(tensors, &device);
        let norm = GroupNorm::load(3, 6, 1e-5, vb).expect("a layer");
        let fast = norm.forward(&xs).expect("forward");
        let slow = norm.forward_ops(&xs).expect("forward");
        let diff = (fast - slow).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>());
        assert!(diff.expect("a number") < 2e-6);
    }

    #[test]
    fn groups_must_divide_channels() {
        let vb = VarBuilder::from_tensors(HashMap::new(), &Device::Cpu);
        assert!(GroupNorm::load(4, 6, 1e-5, vb.clone()).is_err());
        assert!(GroupNorm::load(0, 6, 1e-5, vb).is_err());
    }
}
