//! AdamW (arXiv 1711.05101) with decay for matrices only.

use std::collections::BTreeMap;

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::{Gradients, Parameters, host, host_mut};

/// The numbers of AdamW. The default is that of HPS v2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdamW {
    /// Decay of the mean of gradients, below 1.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, below 1.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub eps: f64,
    /// The share of a weight that decays at learning rate 1; see [`decays`].
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-6, weight_decay: 0.35 }
    }
}

/// Whether weight decay is for this tensor: matrices and more, except what open_clip
/// excludes by name (norms, biases and the logit scale).
pub fn decays(name: &str, rank: usize) -> bool {
    let excluded = ["bn", "ln", "bias", "logit_scale"];
    rank >= 2 && excluded.iter().all(|part| !name.contains(part))
}

/// Means of gradients and of their squares, in `f32`.
#[derive(Clone, Debug)]
pub struct Moments {
    /// The mean of gradients.
    pub first: Tensor,
    /// The mean of squared gradients.
    pub second: Tensor,
}

/// The optimiser's state.
#[derive(Clone, Debug, Default)]
pub struct OptimiserState {
    /// Updates so far.
    pub updates: u64,
    /// The moments of every tensor that has been updated, by name.
    pub moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// Moves every parameter that has a gradient, in place. Gradients are taken times
    /// `scale`, which clips them.
    ///
    /// # Errors
    ///
    /// When a tensor is not of `f32` values.
    pub fn update(
        &self,
        state: &mut OptimiserState,
        parameters: &mut Parameters,
        gradients: &Gradients,
        (learning_rate, scale): (f64, f64),
    ) -> Result<()> {
        state.updates += 1;
        let exponent = i32::try_from(state.updates).unwrap_or(i32::MAX);
        let step = learning_rate / (1.0 - self.beta1.powi(exponent));
        let root_correction = (1.0 - self.beta2.powi(exponent)).sqrt();
        for (name, value, gradient) in gradients.iter(parameters) {
            let moments = match state.moments.get(name) {
                Some(moments) => moments,
                None => {
                    let zeros = Moments { first: value.zeros_like()?, second: value.zeros_like()? };
                    state.moments.entry(name.to_owned()).or_insert(zeros)
                }
            };
            let decay = if decays(name, value.rank()) { self.weight_decay } else { 0.0 };
            let keep = 1.0 - learning_rate * decay;
            let means = [(&moments.first, self.beta1, 1), (&moments.second, self.beta2, 2)];
            if value.device().is_cpu() {
                for (mean, beta, power) in means {
                    mean.inplace_op2(gradient, &MoveMean { beta, scale, power })?;
                }
                let op = MoveWeight { keep, step, root_correction, eps: self.eps };
                value.inplace_op3(&moments.first, &moments.second, &op)?;
                continue;
            }
            let gradient = (gradient * scale)?;
            for (mean, beta, power) in means {
                let term = if power == 1 { gradient.clone() } else { gradient.sqr()? };
                let moved = ((mean * beta)? + (term * (1.0 - beta))?)?;
                overwrite(mean, &moved)?;
            }
            let root = ((moments.second.sqrt()? / root_correction)? + self.eps)?;
            let moved = ((value * keep)? - (moments.first.div(&root)? * step)?)?;
            overwrite(value, &moved)?;
        }
        Ok(())
    }
}

/// Writes the values of `from` into the contiguous tensor `to` of the same shape.
///
/// # Errors
///
/// When their shapes differ.
pub(crate) fn overwrite(to: &Tensor, from: &Tensor) -> Result<()> {
    // Scalars have no dimension to slice.
    to.reshape(((),))?.slice_set(&from.contiguous()?.reshape(((),))?, 0, 0)
}

/// Values that one task handles.
const CHUNK: usize = 1 << 14;

/// `mean = beta * mean + (1 - beta) * gradient^power`.
struct MoveMean {
    beta: f64,
    scale: f64,
    power: u8,
}

impl InplaceOp2 for MoveMean {
    fn name(&self) -> &'static str {
        "adamw-mean"
    }

    fn cpu_fwd(
        &self,
        mean: &mut CpuStorage,
        mean_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (mean, gradient) = (host_mut(mean, mean_layout)?, host(gradient, gradient_layout)?);
        if mean.len() != gradient.len() {
            bail!("a gradient of {} values for {}", gradient.len(), mean.len())
        }
        let (beta, scale) = (self.beta as f32, self.scale as f32);
        let rest = (1.0 - self.beta) as f32;
        mean.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).for_each(|(mean, gradient)| {
            let pairs = mean.iter_mut().zip(gradient);
            if self.power == 1 {
                pairs.for_each(|(m, g)| *m = beta * *m + rest * (g * scale));
            } else {
                pairs.for_each(|(v, g)| *v = beta * *v + rest * (g * scale) * (g * scale));
            }
        });
        Ok(())
    }
}

/// `weight = keep * weight - step * first / (sqrt(second) / root_correction + eps)`.
struct MoveWeight {
    keep: f64,
    step: f64,
    root_correction: f64,
    eps: f64,
}

impl InplaceOp3 for MoveWeight {
    fn name(&self) -> &'static str {
        "adamw-weight"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let weight = host_mut(weight, weight_layout)?;
        let (first, second) = (host(first, first_layout)?, host(second, second_layout)?);
        if weight.len() != first.len() || weight.len() != second.len() {
            bail!("moments of another shape than their weight")
        }
        let (keep, step) = (self.keep as f32, self.step as f32);
        let (correction, eps) = (self.root_correction as f32, self.eps as f32);
        let moments = first.par_chunks(CHUNK).zip(second.par_chunks(CHUNK));
        weight.par_chunks_mut(CHUNK).zip(moments).for_each(|(weight, (first, second))| {
            for (w, (m, v)) in weight.iter_mut().zip(first.iter().zip(second)) {
                *w = keep * *w - step * (m / (v.sqrt() / correction + eps));
            }
        });
        Ok(())
    }
}
