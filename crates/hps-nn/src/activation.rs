//! Element-wise activations.

use candle_core::{Result, Tensor};
use serde::Deserialize;

use crate::kernel::{Routine, gelu, gelu_tanh, kernel, swish, vectorise};
use crate::rows::{RowKernel, map_rows};

/// An activation by its name in Hugging Face and diffusers configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * Φ(x)` with the exact error function.
    Gelu,
    /// Its approximation `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    #[serde(alias = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu-approximate")]
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, as in OpenAI's CLIP.
    QuickGelu,
    /// `x * sigmoid(x)`, also called swish.
    #[serde(alias = "swish")]
    Silu,
}

/// Values a task handles at a time: small enough to spread over cores, large
/// enough to be worth a task.
const BLOCK: usize = 4096;

impl Activation {
    /// Applies the activation to every element; the shape stays.
    ///
    /// # Errors
    ///
    /// When `xs` is not `f32`.
    pub fn forward(self, xs: &Tensor) -> Result<Tensor> {
        if !xs.device().is_cpu() {
            return match self {
                Activation::Gelu => xs.gelu_erf(),
                Activation::GeluTanh => xs.gelu(),
                Activation::QuickGelu => xs * candle_nn::ops::sigmoid(&(xs * 1.702f64)?)?,
                Activation::Silu => xs.silu(),
            };
        }
        map_rows(xs, BLOCK, Elementwise(self))
    }

    /// Applies the activation in place.
    #[inline(always)]
    pub(crate) fn apply<const FMA: bool>(self, values: &mut [f32]) {
        match self {
            Activation::Gelu => values.iter_mut().for_each(|x| *x = gelu::<FMA>(*x)),
            Activation::GeluTanh => values.iter_mut().for_each(|x| *x = gelu_tanh::<FMA>(*x)),
            Activation::QuickGelu => values.iter_mut().for_each(|x| *x = swish::<FMA>(*x, 1.702)),
            Activation::Silu => values.iter_mut().for_each(|x| *x = swish::<FMA>(*x, 1.0)),
        }
    }
}

struct Elementwise(Activation);

impl RowKernel for Elementwise {
    const NAME: &'static str = "activation";

    fn map(&self, _index: usize, row: &[f32], out: &mut [f32]) {
        out.copy_from_slice(row);
        vectorise(kernel(), Apply { activation: self.0, values: out });
    }
}

struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Routine for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.activation.apply::<FMA>(self.values);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn apply(activation: Activation, values: &[f32]) -> Vec<f32> {
        let xs = Tensor::new(values, &Device::Cpu).expect("a tensor");
        activation.forward(&xs).and_then(|ys| ys.to_vec1()).expect("a forward pass")
    }

    #[test]
    fn values_of_torch() {
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        let xs = [-3.0, -1.0, 0.0, 0.5, 2.0];
        let gelu = [-0.004_049_7, -0.158_655_25, 0.0, 0.345_731_23, 1.954_499_7];
        let tanh = [-0.003_637_392, -0.158_808_01, 0.0, 0.345_714, 1.954_597_7];
        let quick = [-0.018_071_31, -0.154_204_23, 0.0, 0.350_388_44, 1.935_658_6];
        let silu = [-0.142_277_62, -0.268_941_43, 0.0, 0.311_229_68, 1.761_594_2];
        assert!(close(&apply(Activation::Gelu, &xs), &gelu));
        assert!(close(&apply(Activation::GeluTanh, &xs), &tanh));
        assert!(close(&apply(Activation::QuickGelu, &xs), &quick));
        assert!(close(&apply(Activation::Silu, &xs), &silu));
    }

    #[test]
    fn blocks_and_tails_agree() {
        let values: Vec<f32> = (0..BLOCK * 2 + 77).map(|i| (i as f32 * 0.37).sin() * 4.0).collect();
        let whole = apply(Activation::Gelu, &values);
        let parts: Vec<f32> = values.iter().flat_map(|&v| apply(Activation::Gelu, &[v])).collect();
        assert_eq!(whole, parts);
    }
}
