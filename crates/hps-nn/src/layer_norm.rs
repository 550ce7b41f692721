//! Layer normalisation over the last dimension.
//!
//! `y = (x - mean) / sqrt(var + eps) * weight + bias` with the population
//! variance, as `torch.nn.LayerNorm`.

use candle_core::{D, Result, Tensor};

use crate::VarBuilder;
use crate::kernel::{Routine, kernel, multiply_add, vectorise};
use crate::moments::Moments;
use crate::rows::{RowKernel, map_rows};

/// `torch.nn.LayerNorm` with an affine transform.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    host: Option<(Vec<f32>, Vec<f32>)>,
    eps: f64,
}

impl LayerNorm {
    /// Loads `weight` and `bias`, both `[dim]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(dim: usize, eps: f64, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(vb.get(dim, "weight")?, vb.get(dim, "bias")?, eps)
    }

    /// A layer of these parameters, both `[dim]`.
    ///
    /// # Errors
    ///
    /// When a parameter is not `f32`, or the two differ in shape.
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Result<Self> {
        if weight.dims() != bias.dims() {
            candle_core::bail!("weight {:?} and bias {:?} differ", weight.shape(), bias.shape())
        }
        let host = if weight.device().is_cpu() {
            Some((weight.to_vec1()?, bias.to_vec1()?))
        } else {
            None
        };
        Ok(LayerNorm { weight, bias, host, eps })
    }

    /// Normalises the last dimension of `xs: [..., dim]`.
    ///
    /// # Errors
    ///
    /// When the last dimension is not `dim`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        match &self.host {
            Some((weight, bias)) => {
                if xs.dim(D::Minus1)? != weight.len() {
                    candle_core::bail!("layer norm of {} got {:?}", weight.len(), xs.shape())
                }
                map_rows(xs, weight.len(), Normalise { weight, bias, eps: self.eps })
            }
            None => {
                let xs = xs.contiguous()?;
                candle_nn::ops::layer_norm(&xs, &self.weight, &self.bias, self.eps as f32)
            }
        }
    }
}

struct Normalise<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f64,
}

impl RowKernel for Normalise<'_> {
    const NAME: &'static str = "layer-norm";

    fn map(&self, _index: usize, row: &[f32], out: &mut [f32]) {
        vectorise(kernel(), NormaliseRow { layer: self, row, out });
    }
}

struct NormaliseRow<'a> {
    layer: &'a Normalise<'a>,
    row: &'a [f32],
    out: &'a mut [f32],
}

impl Routine for NormaliseRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let moments = Moments::of::<FMA>(self.row, self.layer.eps);
        let affine = self.layer.weight.iter().zip(self.layer.bias);
        for ((y, &x), (&w, &b)) in self.out.iter_mut().zip(self.row).zip(affine) {
            *y = multiply_add::<FMA>(moments.normalise(x), w, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn large_offsets_keep_their_digits() {
        // A one-pass variance in f32 would lose everything here.
        let device = Device::Cpu;
        let xs = Tensor::new(&[[10000.0f32, 10001.0, 10002.0, 10003.0]], &device).expect("tensor");
        let weight = Tensor::new(&[1f32, 1.0, 2.0, 1.0], &device).expect("tensor");
        let bias = Tensor::new(&[0f32, 0.0, 0.5, 0.0], &device).expect("tensor");
        let norm = LayerNorm::new(weight, bias, 1e-5).expect("a layer");
        let ys: Vec<Vec<f32>> = norm.forward(&xs).and_then(|ys| ys.to_vec2()).expect("forward");
        let expected = [-1.341_635_4f32, -0.447_211_8, 2.0 * 0.447_211_8 + 0.5, 1.341_635_4];
        for (y, e) in ys[0].iter().zip(expected) {
            assert!((y - e).abs() < 1e-6, "{y} {e}");
        }
    }

    #[test]
    fn a_wrong_width_is_an_error() {
        let device = Device::Cpu;
        let ones = Tensor::ones(4, candle_core::DType::F32, &device).expect("tensor");
        let norm = LayerNorm::new(ones.clone(), ones, 1e-5).expect("a layer");
        let xs = Tensor::zeros((2, 8), candle_core::DType::F32, &device).expect("tensor");
        assert!(norm.forward(&xs).is_err());
    }
}
