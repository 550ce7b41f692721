//! Two-dimensional convolution, as `torch.nn.Conv2d` with `groups = 1`.

use candle_core::{Result, Tensor};

use crate::VarBuilder;

/// Kernel side, stride and padding of a [`Conv2d`], equal in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
}

impl Conv2dConfig {
    /// A 3×3 kernel that keeps the size.
    pub const SAME_3X3: Conv2dConfig = Conv2dConfig { kernel: 3, stride: 1, padding: 1 };
    /// A 1×1 kernel: a linear map of each pixel.
    pub const POINTWISE: Conv2dConfig = Conv2dConfig { kernel: 1, stride: 1, padding: 0 };
}

/// `torch.nn.Conv2d`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// Loads `weight: [out, in, kernel, kernel]` and `bias: [out]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(
        in_channels: usize,
        out_channels: usize,
        config: Conv2dConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let bias = vb.get(out_channels, "bias")?;
        let layer = Self::load_without_bias(in_channels, out_channels, config, vb)?;
        Ok(Conv2d { bias: Some(bias.reshape((1, out_channels, 1, 1))?), ..layer })
    }

    /// Loads `weight: [out, in, kernel, kernel]` alone.
    ///
    /// # Errors
    ///
    /// When the tensor is missing or has another shape.
    pub fn load_without_bias(
        in_channels: usize,
        out_channels: usize,
        config: Conv2dConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let shape = (out_channels, in_channels, config.kernel, config.kernel);
        Ok(Conv2d { weight: vb.get(shape, "weight")?, bias: None, config })
    }

    /// Convolves `xs: [batch, in, h, w]` to `[batch, out, h', w']` with
    /// `h' = (h + 2 padding - kernel) / stride + 1`.
    ///
    /// # Errors
    ///
    /// When the channels do not fit.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let Conv2dConfig { stride, padding, .. } = self.config;
        let one = |xs: &Tensor| xs.conv2d(&self.weight, padding, stride, 1, 1);
        let batch = xs.dim(0)?;
        let ys = if xs.device().is_cpu() && batch > 1 {
            // One item at a time: the batch must not choose the tiling.
            let items = (0..batch).map(|index| one(&xs.narrow(0, index, 1)?.contiguous()?));
            Tensor::cat(&items.collect::<Result<Vec<_>>>()?, 0)?
        } else {
            one(&xs.contiguous()?)?
        };
        match &self.bias {
            Some(bias) => ys.broadcast_add(bias),
            None => Ok(ys),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn wave(shape: (usize, usize, usize, usize), step: f32) -> Tensor {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    fn naive(x: &[f32], w: &[f32], n: usize, c: Conv2dConfig) -> Vec<f32> {
        let out = (n + 2 * c.padding - c.kernel) / c.stride + 1;
        let mut ys = Vec::new();
        for o in 0..4 {
            for (oy, ox) in (0..out * out).map(|p| (p / out, p % out)) {
                let mut sum = 0f64;
                for (i, k) in (0..3).flat_map(|i| (0..c.kernel * c.kernel).map(move |k| (i, k))) {
                    let (y, x0) = (oy * c.stride + k / c.kernel, ox * c.stride + k % c.kernel);
                    let inside = |v: usize| (c.padding..n + c.padding).contains(&v);
                    if inside(y) && inside(x0) {
                        let pixel = x[(i * n + y - c.padding) * n + x0 - c.padding];
                        sum += f64::from(pixel * w[(o * 3 + i) * c.kernel * c.kernel + k]);
                    }
                }
                ys.push(sum as f32);
            }
        }
        ys
    }

    #[test]
    fn values_and_batch_independence() {
        for config in [
            Conv2dConfig::SAME_3X3,
            Conv2dConfig::POINTWISE,
            Conv2dConfig { kernel: 3, stride: 2, padding: 1 },
            Conv2dConfig { kernel: 4, stride: 4, padding: 0 },
        ] {
            let weight = wave((4, 3, config.kernel, config.kernel), 0.31);
            let layer = Conv2d { weight: weight.clone(), bias: None, config };
            let xs = wave((3, 3, 12, 12), 0.17);
            let flat = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("f32");
            let all = layer.forward(&xs).expect("forward");
            for index in 0..3 {
                let x = xs.narrow(0, index, 1).expect("item");
                let alone = flat(&layer.forward(&x).expect("forward"));
                assert_eq!(alone, flat(&all.narrow(0, index, 1).expect("item")));
                let expected = naive(&flat(&x), &flat(&weight), 12, config);
                assert!(alone.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
            }
        }
        assert_eq!(DType::F32, wave((1, 1, 1, 1), 1.0).dtype());
    }
}
