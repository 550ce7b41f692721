//! Layer normalisation over the last dimension.

use candle_core::{D, Result, Tensor, bail};
use rayon::prelude::*;

use super::host::{BLOCK_ROWS, HostValues, on_host};
use super::linear::{add_parts, column_sums};
use super::parameters::{Gradients, Id, Parameters};
use super::vector::{dot, squared_deviations, sum};

/// `torch.nn.LayerNorm` over rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerNorm {
    weight: Id,
    bias: Id,
    eps: f32,
}

impl LayerNorm {
    /// The layer of the tensors `name.weight` and `name.bias`.
    pub(super) fn new(parameters: &Parameters, name: &str, eps: f64) -> Result<Self> {
        let weight = parameters.id(&format!("{name}.weight"))?;
        Ok(LayerNorm { weight, bias: parameters.id(&format!("{name}.bias"))?, eps: eps as f32 })
    }

    /// Whether any of its tensors is trained.
    pub(super) fn is_trainable(&self, parameters: &Parameters) -> bool {
        parameters.is_trainable(self.weight) || parameters.is_trainable(self.bias)
    }

    /// Normalises every row of `xs: [rows, width]`.
    pub(super) fn forward(&self, parameters: &Parameters, xs: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (parameters.value(self.weight), parameters.value(self.bias));
        if !on_host(xs) {
            let (normalised, _) = self.normalise(xs)?;
            return normalised.broadcast_mul(weight)?.broadcast_add(bias);
        }
        let (rows, width) = xs.dims2()?;
        let (weight, bias) = (HostValues::of(weight)?, HostValues::of(bias)?);
        let (weight, bias) = (weight.slice()?, bias.slice()?);
        if weight.len() != width || bias.len() != width || width == 0 {
            bail!("a layer norm of width {} on rows of {width}", weight.len())
        }
        let values = HostValues::of(xs)?;
        let mut ys = vec![0f32; rows * width];
        let block = BLOCK_ROWS * width;
        ys.par_chunks_mut(block).zip(values.slice()?.par_chunks(block)).for_each(|(ys, xs)| {
            for (ys, xs) in ys.chunks_exact_mut(width).zip(xs.chunks_exact(width)) {
                let (mean, scale) = moments(xs, self.eps);
                for (((y, &x), w), b) in ys.iter_mut().zip(xs).zip(weight).zip(bias) {
                    *y = (x - mean) * scale * w + b;
                }
            }
        });
        Tensor::from_vec(ys, (rows, width), xs.device())
    }

    /// Adds the gradients of the parameters and returns that of the input plus
    /// `residual`, which is of the same shape.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        (xs, dys): (&Tensor, &Tensor),
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        if !on_host(xs) {
            return self.backward_on_device(parameters, gradients, (xs, dys), residual);
        }
        let (rows, width) = xs.dims2()?;
        let weight = HostValues::of(parameters.value(self.weight))?;
        let (x_values, dy_values) = (HostValues::of(xs)?, HostValues::of(dys)?);
        let residual = residual.map(HostValues::of).transpose()?;
        let residual = residual.as_ref().map(HostValues::slice).transpose()?;
        let rows_of = Rows { width, eps: self.eps, weight: weight.slice()? };
        let (x_values, dy_values) = (x_values.slice()?, dy_values.slice()?);
        let fits = x_values.len() == dy_values.len() && rows_of.weight.len() == width;
        if !fits || residual.is_some_and(|residual| residual.len() != x_values.len()) {
            bail!("the gradient of a layer norm has another shape than its result")
        }
        let mut dxs = residual.map_or_else(|| vec![0f32; rows * width], <[f32]>::to_vec);
        let block = (BLOCK_ROWS * width).max(1);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = dxs
            .par_chunks_mut(block)
            .zip(x_values.par_chunks(block).zip(dy_values.par_chunks(block)))
            .map(|(dxs, (xs, dys))| rows_of.backward(xs, dys, dxs))
            .collect();
        let (weights, biases): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        for (id, parts) in [(self.weight, weights), (self.bias, biases)] {
            let mut sum = vec![0f32; width];
            add_parts(&mut sum, &parts);
            gradients.add(id, Tensor::from_vec(sum, width, xs.device())?)?;
        }
        Tensor::from_vec(dxs, (rows, width), xs.device())
    }

    /// Rows with mean 0 and variance 1, and the factors that made the latter.
    fn normalise(&self, xs: &Tensor) -> Result<(Tensor, Tensor)> {
        let centred = xs.broadcast_sub(&xs.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scale = (variance + f64::from(self.eps))?.sqrt()?.recip()?;
        Ok((centred.broadcast_mul(&scale)?, scale))
    }

    fn backward_on_device(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        (xs, dys): (&Tensor, &Tensor),
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let weight = parameters.value(self.weight);
        let (normalised, scale) = self.normalise(xs)?;
        gradients.add(self.weight, dys.mul(&normalised)?.sum(0)?)?;
        gradients.add(self.bias, column_sums(dys)?)?;
        let inner = dys.broadcast_mul(weight)?;
        let along = inner.mul(&normalised)?.mean_keepdim(D::Minus1)?;
        let straight = inner.broadcast_sub(&inner.mean_keepdim(D::Minus1)?)?;
        let dxs = (straight - normalised.broadcast_mul(&along)?)?.broadcast_mul(&scale)?;
        residual.map_or(Ok(dxs.clone()), |residual| dxs.add(residual))
    }
}

/// Mean of a row and the factor that gives it variance 1.
#[inline(always)]
fn moments(xs: &[f32], eps: f32) -> (f32, f32) {
    let mean = sum(xs) / xs.len() as f32;
    let variance = squared_deviations(xs, mean) / xs.len() as f32;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// What a block of rows needs for its gradients.
struct Rows<'a> {
    width: usize,
    eps: f32,
    weight: &'a [f32],
}

impl Rows<'_> {
    /// Adds the gradients of the rows `xs` to `dxs` and returns those of weight and
    /// bias.
    fn backward(&self, xs: &[f32], dys: &[f32], dxs: &mut [f32]) -> (Vec<f32>, Vec<f32>) {
        let width = self.width;
        let (mut dw, mut db) = (vec![0f32; width], vec![0f32; width]);
        let (mut normalised, mut inner) = (vec![0f32; width], vec![0f32; width]);
        let rows = xs.chunks_exact(width).zip(dys.chunks_exact(width));
        for ((xs, dys), dxs) in rows.zip(dxs.chunks_exact_mut(width)) {
            let (mean, scale) = moments(xs, self.eps);
            for ((n, i), ((x, dy), w)) in
                normalised.iter_mut().zip(&mut inner).zip(xs.iter().zip(dys).zip(self.weight))
            {
                *n = (x - mean) * scale;
                *i = dy * w;
            }
            let average = sum(&inner) / width as f32;
            let along = dot(&inner, &normalised) / width as f32;
            for ((dx, n), i) in dxs.iter_mut().zip(&normalised).zip(&inner) {
                *dx += (i - average - n * along) * scale;
            }
            for (((dw, db), n), dy) in dw.iter_mut().zip(&mut db).zip(&normalised).zip(dys) {
                *dw += dy * n;
                *db += dy;
            }
        }
        (dw, db)
    }
}
