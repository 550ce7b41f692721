//! Halving and doubling of the picture: `Downsample2D` and `Upsample2D` of
//! diffusers, both with a convolution.

use candle_core::{Result, Tensor};
use hps_nn::{Conv2d, Conv2dConfig, VarBuilder};

/// A convolution with stride 2.
#[derive(Debug)]
pub(crate) struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// Loads `conv`. `padding` 1 surrounds the picture with zeros; 0 puts them to
    /// the right and the bottom only.
    pub fn load(channels: usize, padding: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let config = Conv2dConfig { kernel: 3, stride: 2, padding };
        let conv = Conv2d::load(channels, channels, config, vb.pp("conv"))?;
        Ok(Downsample { conv: if padding == 0 { conv.with_padding_after(1) } else { conv } })
    }

    /// Maps `[batch, channels, h, w]` to half the height and width, rounded up
    /// with padding 1 and down with padding 0.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        self.conv.forward(xs)
    }
}

/// Repetition of pixels and a convolution.
#[derive(Debug)]
pub(crate) struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub fn load(channels: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let conv = Conv2d::load(channels, channels, Conv2dConfig::SAME_3X3, vb.pp("conv"))?;
        Ok(Upsample { conv })
    }

    /// Maps `[batch, channels, h, w]` to `[batch, channels, height, width]`, each
    /// new pixel taken from its nearest old one.
    pub fn forward(&self, xs: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        self.conv.forward(&xs.upsample_nearest2d(height, width)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use candle_core::{DType, Device};

    use super::*;

    /// A 3x3 kernel that passes its centre through.
    fn centre() -> VarBuilder<'static> {
        let device = Device::Cpu;
        let mut kernel = [0f32; 9];
        kernel[4] = 1.0;
        let tensors = HashMap::from([
            ("conv.weight".into(), Tensor::from_slice(&kernel, (1, 1, 3, 3), &device).unwrap()),
            ("conv.bias".into(), Tensor::zeros(1, DType::F32, &device).unwrap()),
        ]);
        VarBuilder::from_tensors(tensors, &device)
    }

    fn values(xs: &Tensor) -> Vec<f32> {
        xs.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn pixels_are_repeated_to_any_size() {
        let layer = Upsample::load(1, centre()).unwrap();
        let xs = Tensor::new(&[[[[1f32, 2.0], [3.0, 4.0]]]], &Device::Cpu).unwrap();
        let double = layer.forward(&xs, 4, 4).unwrap();
        let row = |a: f32, b: f32| [a, a, b, b];
        let expected = [row(1.0, 2.0), row(1.0, 2.0), row(3.0, 4.0), row(3.0, 4.0)].concat();
        assert_eq!(values(&double), expected);
        let odd = layer.forward(&xs, 3, 3).unwrap();
        assert_eq!(values(&odd), [1.0, 1.0, 2.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0]);
    }

    #[test]
    fn both_paddings_halve() {
        let xs: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let xs = Tensor::from_vec(xs, (1, 1, 4, 4), &Device::Cpu).unwrap();
        let around = Downsample::load(1, 1, centre()).unwrap().forward(&xs).unwrap();
        assert_eq!(values(&around), [0.0, 2.0, 8.0, 10.0]);
        let corner = Downsample::load(1, 0, centre()).unwrap().forward(&xs).unwrap();
        assert_eq!(values(&corner), [5.0, 7.0, 13.0, 15.0]);
        let single = xs.narrow(2, 0, 1).unwrap();
        assert!(Downsample::load(1, 0, centre()).unwrap().forward(&single).is_err());
    }
}
