//! Gated linear unit with GELU (<https://arxiv.org/abs/2002.05202>), as diffusers' `GEGLU`.

use candle_core::{Result, Tensor};
use hps_core::Precision;

use crate::{Activation, Linear, VarBuilder};

/// `values * gelu(gates)` with `[values, gates] = x @ weight.T + bias`.
#[derive(Clone, Debug)]
pub struct Geglu {
    linear: Linear,
}

impl Geglu {
    /// A layer of `weight: [2 out, in]` and `bias: [2 out]`, values before gates.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, precision: Precision) -> Result<Self> {
        if weight.dim(0)? % 2 != 0 {
            candle_core::bail!("{:?} is not as many values as gates", weight.shape())
        }
        Ok(Geglu { linear: Linear::gated(weight, bias, precision)? })
    }

    /// Loads `weight: [2 out_dim, in_dim]` and `bias: [2 out_dim]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bias = vb.get(2 * out_dim, "bias")?;
        Geglu::new(&vb.get_stored((2 * out_dim, in_dim), "weight")?, Some(&bias), vb.precision())
    }

    /// Maps `xs: [..., in]` to `[..., out]`.
    ///
    /// # Errors
    ///
    /// When the last dimension is not `in`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        self.linear.forward_then(xs, Some(Activation::Gelu), None)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn wave(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    #[test]
    fn equals_a_product_cut_in_two() {
        for out in [1, 16, 40, 77] {
            let (weight, bias) = (wave(&[2 * out, 33], 0.37), wave(&[2 * out], 0.11));
            let xs = wave(&[2, 5, 33], 0.73);
            let layer = Geglu::new(&weight, Some(&bias), Precision::F32).expect("a layer");
            let ours = layer.forward(&xs).expect("forward");
            assert_eq!(ours.dims(), [2, 5, out]);
            let plain = Linear::new(&weight, Some(&bias), Precision::F32).expect("a layer");
            let expected = plain.forward(&xs).and_then(|ys| {
                let gates = ys.narrow(2, out, out)?.contiguous()?;
                ys.narrow(2, 0, out)? * Activation::Gelu.forward(&gates)?
            });
            let flat = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>());
            let expected = expected.and_then(|ys| flat(&ys)).expect("values");
            assert_eq!(flat(&ours).expect("values"), expected);
        }
        assert!(Geglu::new(&wave(&[3, 4], 0.1), None, Precision::F32).is_err());
    }
}
