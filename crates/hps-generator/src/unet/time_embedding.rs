//! How the network is told the noise level.

use candle_core::{Device, Result, Tensor};
use hps_nn::{Activation, Linear, VarBuilder};

use super::UNetConfig;

/// Sines and cosines of the timestep, followed by two linear layers.
#[derive(Debug)]
pub(super) struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    activation: Activation,
    frequencies: Vec<f32>,
    cosines_first: bool,
}

impl TimeEmbedding {
    /// Loads `linear_1` and `linear_2`.
    pub fn load(
        config: &UNetConfig,
        in_dim: usize,
        dim: usize,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        Ok(TimeEmbedding {
            linear_1: Linear::load(in_dim, dim, vb.pp("linear_1"))?,
            linear_2: Linear::load(dim, dim, vb.pp("linear_2"))?,
            activation: config.act_fn,
            frequencies: frequencies(in_dim / 2, config.freq_shift as f32),
            cosines_first: config.flip_sin_to_cos,
        })
    }

    /// Embeds one timestep for each item as `[batch, dim]`.
    pub fn forward(&self, timesteps: &[f64], device: &Device) -> Result<Tensor> {
        let values: Vec<f32> = timesteps.iter().flat_map(|&t| self.sinusoid(t as f32)).collect();
        let shape = (timesteps.len(), 2 * self.frequencies.len());
        let xs = self.linear_1.forward(&Tensor::from_vec(values, shape, device)?)?;
        self.linear_2.forward(&self.activation.forward(&xs)?)
    }

    fn sinusoid(&self, timestep: f32) -> Vec<f32> {
        let angles = self.frequencies.iter().map(|frequency| f64::from(timestep * frequency));
        let sines = angles.clone().map(|angle| libm::sin(angle) as f32);
        let cosines = angles.map(|angle| libm::cos(angle) as f32);
        match self.cosines_first {
            true => cosines.chain(sines).collect(),
            false => sines.chain(cosines).collect(),
        }
    }
}

/// `10000^(-i / (count - shift))`, rounded to `f32` where diffusers rounds: an
/// error here is multiplied by timesteps up to 1000.
fn frequencies(count: usize, shift: f32) -> Vec<f32> {
    let log = -libm::log(10_000.0) as f32;
    let exponent = |i: usize| log * i as f32 / (count as f32 - shift);
    (0..count).map(|i| libm::exp(f64::from(exponent(i))) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_fall_from_one() {
        let values = frequencies(160, 0.0);
        assert_eq!(values[0], 1.0);
        assert!((values[80] - 0.01).abs() < 1e-8);
        assert!((frequencies(16, 1.0)[15] - 1e-4).abs() < 1e-10);
    }
}
