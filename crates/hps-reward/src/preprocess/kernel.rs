//! Weights of bicubic resampling along one axis.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// How the longest-side recipe shrinks a picture.
///
/// The same `hpsv2` package gives different scores under different versions of
/// torchvision, because the default of `resize` changed in 0.17. Scores under
/// one policy must not be compared with scores under the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizePolicy {
    /// The kernel widens with the scale (a = -0.5): torchvision 0.17 and later.
    #[default]
    Antialias,
    /// Four taps whatever the scale (a = -0.75): torchvision before 0.17, with
    /// which the numbers of the HPS v2 paper were made.
    NoAntialias,
}

impl ResizePolicy {
    /// The name used in records and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            ResizePolicy::Antialias => "antialias",
            ResizePolicy::NoAntialias => "no-antialias",
        }
    }

    /// Taps of every output sample when `input` samples become `output`, both at
    /// least 1, computed as torch computes them for float tensors.
    pub(super) fn taps(self, input: usize, output: usize) -> Vec<Taps<f32>> {
        // Positions are rounded to f32 where torch rounds them. Exact ones would
        // be off by up to 5e-5 from what the hpsv2 package feeds the model.
        let scale = input as f32 / output as f32;
        let axis = |index: usize| match self {
            ResizePolicy::Antialias => widening(input, scale, index),
            ResizePolicy::NoAntialias => four(input, scale, index),
        };
        (0..output).map(axis).collect()
    }
}

impl fmt::Display for ResizePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ResizePolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let policies = [ResizePolicy::Antialias, ResizePolicy::NoAntialias];
        policies.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("unknown resize policy '{text}'"))
                .with_hint("Policies are antialias and no-antialias.")
        })
    }
}

/// The weighted source samples that make one output sample. Weights sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taps<W> {
    /// Index of the first source sample.
    pub(super) start: usize,
    /// Weights of that sample and the following ones; never empty.
    pub(super) weights: Vec<W>,
}

impl<W> Taps<W> {
    /// Index after the last source sample.
    pub(super) fn end(&self) -> usize {
        self.start + self.weights.len()
    }
}

/// The source samples under a kernel that reaches `support` to both sides of
/// `center`; at least one.
pub(super) fn covered(input: usize, center: f64, support: f64) -> std::ops::Range<usize> {
    let start = (center - support + 0.5).max(0.0) as usize;
    let end = ((center + support + 0.5) as usize).clamp(1, input);
    start.min(end - 1)..end
}

/// torch's antialiased kernel (`_compute_indices_min_size_weights_aa` in
/// `UpSampleKernel.cpp`): stretched by the scale and cut off at the borders.
fn widening(input: usize, scale: f32, index: usize) -> Taps<f32> {
    let stretch = scale.max(1.0);
    let center = (f64::from(scale) * (index as f64 + 0.5)) as f32;
    let covered = covered(input, f64::from(center), f64::from(2.0 * stretch));
    let inverse = f64::from(1.0 / stretch);
    let weight = |x: usize| cubic(((f64::from(x as f32 - center) + 0.5) * inverse) as f32, -0.5);
    let start = covered.start;
    let mut weights: Vec<f32> = covered.map(weight).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    Taps { start, weights }
}

/// torch's `upsample_bicubic2d` with `align_corners=False`: four taps around the
/// source position; those beyond a border fall on the border sample.
fn four(input: usize, scale: f32, index: usize) -> Taps<f32> {
    let position = scale * (index as f32 + 0.5) - 0.5;
    let base = position.floor();
    let fraction = position - base;
    let last = input as i64 - 1;
    let sample = |offset: i64| (base as i64 + offset).clamp(0, last);
    let start = sample(-1);
    let mut weights = vec![0.0; (sample(2) - start) as usize + 1];
    let distances = [fraction + 1.0, fraction, 1.0 - fraction, 2.0 - fraction];
    for (offset, distance) in (-1..).zip(distances) {
        weights[(sample(offset) - start) as usize] += cubic(distance, -0.75);
    }
    Taps { start: start as usize, weights }
}

/// The cubic convolution kernel (Keys 1981) with free parameter `a`.
fn cubic(x: f32, a: f32) -> f32 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: [ResizePolicy; 2] = [ResizePolicy::Antialias, ResizePolicy::NoAntialias];

    #[test]
    fn same_size_is_the_identity() {
        for policy in POLICIES {
            for (index, taps) in policy.taps(9, 9).iter().enumerate() {
                for x in 0..9_usize {
                    let tap = x.checked_sub(taps.start).and_then(|x| taps.weights.get(x));
                    let expected = if x == index { 1.0 } else { 0.0 };
                    assert_eq!(tap.copied().unwrap_or(0.0), expected, "{policy:?} {index} {x}");
                }
            }
        }
    }

    #[test]
    fn taps_stay_inside_and_sum_to_one() {
        for policy in POLICIES {
            for (input, output) in [(1, 32), (2, 1), (1000, 1), (7, 32), (97, 32), (33, 32)] {
                for taps in policy.taps(input, output) {
                    assert!(taps.end() <= input && !taps.weights.is_empty());
                    let sum: f32 = taps.weights.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{policy:?} {input}->{output}: {sum}");
                }
            }
        }
    }
}
