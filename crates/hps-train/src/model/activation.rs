//! Activations and their slopes.

use candle_core::{Result, Tensor, bail};
use hps_nn::Activation;
use rayon::prelude::*;

use super::host::{HostValues, on_host};
use super::vector::{Loop, normal, sigmoid, vectorise};

/// Values that one task handles.
const CHUNK: usize = 1 << 13;

/// The factor inside of OpenAI's quick GELU.
const QUICK: f32 = 1.702;

/// The activation of every element.
pub(super) fn forward(activation: Activation, xs: &Tensor) -> Result<Tensor> {
    if !on_host(xs) {
        return match activation {
            Activation::Gelu => xs.gelu_erf(),
            Activation::GeluTanh => xs.gelu(),
            Activation::QuickGelu => xs * device_sigmoid(xs, f64::from(QUICK))?,
            Activation::Silu => xs.silu(),
        };
    }
    let values = HostValues::of(xs)?;
    let values = values.slice()?;
    let mut ys = vec![0f32; values.len()];
    ys.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(ys, xs)| match activation {
        Activation::Gelu => vectorise(Values { curve: Gelu, ys, xs }),
        Activation::GeluTanh => vectorise(Values { curve: GeluTanh, ys, xs }),
        Activation::QuickGelu => vectorise(Values { curve: Swish(QUICK), ys, xs }),
        Activation::Silu => vectorise(Values { curve: Swish(1.0), ys, xs }),
    });
    Tensor::from_vec(ys, xs.shape(), xs.device())
}

/// `dys` times the slope at `xs`.
pub(super) fn backward(activation: Activation, xs: &Tensor, dys: &Tensor) -> Result<Tensor> {
    if !on_host(xs) {
        return dys.mul(&device_slope(activation, xs)?);
    }
    let (x_values, dy_values) = (HostValues::of(xs)?, HostValues::of(dys)?);
    let (x_values, dy_values) = (x_values.slice()?, dy_values.slice()?);
    if x_values.len() != dy_values.len() {
        bail!("{} gradients of {} activations", dy_values.len(), x_values.len())
    }
    let mut dxs = vec![0f32; x_values.len()];
    let chunks = x_values.par_chunks(CHUNK).zip(dy_values.par_chunks(CHUNK));
    dxs.par_chunks_mut(CHUNK).zip(chunks).for_each(|(dxs, (xs, dys))| match activation {
        Activation::Gelu => vectorise(Chain { curve: Gelu, dxs, xs, dys }),
        Activation::GeluTanh => vectorise(Chain { curve: GeluTanh, dxs, xs, dys }),
        Activation::QuickGelu => vectorise(Chain { curve: Swish(QUICK), dxs, xs, dys }),
        Activation::Silu => vectorise(Chain { curve: Swish(1.0), dxs, xs, dys }),
    });
    Tensor::from_vec(dxs, xs.shape(), xs.device())
}

/// A function of one number.
trait Curve {
    fn value(&self, x: f32) -> f32;
    fn slope(&self, x: f32) -> f32;
}

/// `x * Φ(x)`.
struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    fn value(&self, x: f32) -> f32 {
        x * normal(x).0
    }

    #[inline(always)]
    fn slope(&self, x: f32) -> f32 {
        let (below, density) = normal(x);
        below + x * density
    }
}

/// `x * sigmoid(factor * x)`.
struct Swish(f32);

impl Curve for Swish {
    #[inline(always)]
    fn value(&self, x: f32) -> f32 {
        x * sigmoid(self.0 * x)
    }

    #[inline(always)]
    fn slope(&self, x: f32) -> f32 {
        let gate = sigmoid(self.0 * x);
        gate + self.0 * x * gate * (1.0 - gate)
    }
}

/// `x * sigmoid(SLANT (x + CUBIC x³))`, an approximation of [`Gelu`] that is usually
/// written with a hyperbolic tangent.
struct GeluTanh;

/// 2 √(2/π).
const SLANT: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

impl Curve for GeluTanh {
    #[inline(always)]
    fn value(&self, x: f32) -> f32 {
        x * sigmoid(SLANT * (x + CUBIC * x * x * x))
    }

    #[inline(always)]
    fn slope(&self, x: f32) -> f32 {
        let gate = sigmoid(SLANT * (x + CUBIC * x * x * x));
        gate + x * gate * (1.0 - gate) * SLANT * (1.0 + 3.0 * CUBIC * x * x)
    }
}

/// `ys = curve(xs)`.
struct Values<'a, C> {
    curve: C,
    ys: &'a mut [f32],
    xs: &'a [f32],
}

impl<C: Curve> Loop for Values<'_, C> {
    #[inline(always)]
    fn run(self) {
        for (y, &x) in self.ys.iter_mut().zip(self.xs) {
            *y = self.curve.value(x);
        }
    }
}

/// `dxs = slope(xs) * dys`.
struct Chain<'a, C> {
    curve: C,
    dxs: &'a mut [f32],
    xs: &'a [f32],
    dys: &'a [f32],
}

impl<C: Curve> Loop for Chain<'_, C> {
    #[inline(always)]
    fn run(self) {
        let inputs = self.xs.iter().zip(self.dys);
        for (dx, (&x, dy)) in self.dxs.iter_mut().zip(inputs) {
            *dx = dy * self.curve.slope(x);
        }
    }
}

fn device_sigmoid(xs: &Tensor, factor: f64) -> Result<Tensor> {
    ((xs * -factor)?.exp()? + 1.0)?.recip()
}

fn device_slope(activation: Activation, xs: &Tensor) -> Result<Tensor> {
    let factor = match activation {
        Activation::Gelu => {
            let below = (((xs * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?;
            let density = ((xs.sqr()? * -0.5)?.exp()? / (2.0 * std::f64::consts::PI).sqrt())?;
            return below + (xs * density)?;
        }
        Activation::GeluTanh => {
            let squares = xs.sqr()?;
            let inner = (xs * ((&squares * f64::from(CUBIC))? + 1.0)?)?;
            let gate = device_sigmoid(&inner, f64::from(SLANT))?;
            let change = (((squares * f64::from(3.0 * CUBIC))? + 1.0)? * f64::from(SLANT))?;
            return &gate + (((xs * &gate)? * (1.0 - &gate)?)? * change)?;
        }
        Activation::QuickGelu => f64::from(QUICK),
        Activation::Silu => 1.0,
    };
    let gate = device_sigmoid(xs, factor)?;
    let closed = (1.0 - &gate)?;
    &gate + (((xs * &gate)? * closed)? * factor)?
}
