//! Made-up tensors: the time of dense arithmetic does not depend on the values.

use candle_core::{Device, Result, Shape, Tensor};
use half::f16;
use hps_nn::TensorSource;

/// Normal-looking half floats for every name, different in every place and equal in
/// every run.
pub(super) struct RandomWeights;

impl TensorSource for RandomWeights {
    fn tensor(&self, _name: &str, shape: &Shape, _stored: bool, device: &Device) -> Result<Tensor> {
        let count = shape.elem_count();
        // Keeps the size of activations through the layers.
        let fan_in = shape.dims().iter().skip(1).product::<usize>().max(1) as f32;
        let scale = fan_in.sqrt().recip();
        let values: Vec<f16> = (0..count).map(|i| f16::from_f32(noise(i) * scale)).collect();
        Tensor::from_vec(values, shape.clone(), device)
    }

    fn contains(&self, _name: &str) -> bool {
        true
    }
}

/// A tensor of `f32` values in [-1.7, 1.7], with variance 1.
pub(super) fn tensor(shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.elem_count()).map(noise).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Uniform in [-√3, √3] by a multiplicative hash of the place.
fn noise(index: usize) -> f32 {
    let mut bits = (index as u32).wrapping_add(1).wrapping_mul(0x9e37_79b1);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x85eb_ca6b);
    bits ^= bits >> 13;
    let unit = bits as f32 / u32::MAX as f32;
    (2.0 * unit - 1.0) * 3f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_mean_0_and_variance_1() {
        let values: Vec<f32> = tensor(10_000).and_then(|t| t.to_vec1()).expect("values");
        let mean = values.iter().sum::<f32>() / 10_000.0;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
