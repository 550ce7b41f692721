//! The loss of a comparison: how far the model's choice is from the people's.
//!
//! For pictures `I_i` of a prompt `T` the logits are `exp(logit_scale) * cos(T, I_i)`,
//! and the loss is the cross-entropy between the label and their softmax. For two
//! pictures this is the `HPSLoss` of HPS v2 (arXiv 2306.09341), for any number its
//! listwise form. Pictures of other prompts are no negatives, so a batch can be
//! computed in parts of any size.

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::model::{FeatureGradients, Features};

/// How losses of a batch become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The sum over the batch, as HPS v2 was trained: a smaller batch makes smaller
    /// gradients.
    #[default]
    Sum,
    /// The mean over the batch.
    Mean,
}

/// What the loss measures. Both have the same gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// The cross-entropy with the label, as HPS v2: ln 2 at best for a tie.
    #[default]
    CrossEntropy,
    /// The Kullback-Leibler divergence from the label, as PickScore: 0 at best.
    Kl,
}

/// The pictures of one comparison and what people said about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The share of each picture; finite, 0 or more, sums to 1.
    pub label: Vec<f32>,
    /// The rank of each picture, smaller is better; for accuracies only.
    pub ranks: Vec<u32>,
}

/// Losses and gradients of comparisons.
#[derive(Clone, Debug)]
pub struct BatchLoss {
    /// One loss per comparison.
    pub losses: Vec<f64>,
    /// One cosine per picture, comparison by comparison.
    pub cosines: Vec<Vec<f64>>,
    /// The gradients of the sum of the losses times `weight`.
    pub gradients: FeatureGradients,
}

/// The losses of comparisons whose pictures' rows follow each other in `features`,
/// one prompt each, and the gradients of their sum times `weight`.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] when `targets` do not fit the features.
pub fn batch_loss(
    features: &Features,
    targets: &[Target],
    logit_scale: f32,
    kind: LossKind,
    weight: f64,
) -> Result<BatchLoss> {
    let pictures: usize = targets.iter().map(|target| target.label.len()).sum();
    if pictures != features.images.len() || targets.len() != features.texts.len() {
        let (images, texts) = (features.images.len(), features.texts.len());
        let message = format!("{images} pictures and {texts} prompts for {pictures} labels");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let scale = f64::from(logit_scale).exp();
    let (mut losses, mut all_cosines) = (Vec::new(), Vec::new());
    let mut gradients =
        FeatureGradients { images: Vec::new(), texts: Vec::new(), logit_scale: 0.0 };
    let mut images = features.images.iter();
    for (text, target) in features.texts.iter().zip(targets) {
        let text = Unit::of(text);
        let images: Vec<Unit> =
            images.by_ref().take(target.label.len()).map(|row| Unit::of(row)).collect();
        let cosines: Vec<f64> = images.iter().map(|image| image.dot(&text)).collect();
        let logits: Vec<f64> = cosines.iter().map(|cosine| scale * cosine).collect();
        let (loss, slopes) = loss_and_slopes(&logits, &target.label, kind);
        let mut d_text = vec![0f64; text.direction.len()];
        for ((image, slope), logit) in images.iter().zip(&slopes).zip(&logits) {
            let d_cosine = weight * slope * scale;
            gradients.logit_scale += weight * slope * logit;
            add_scaled(&mut d_text, d_cosine, &image.direction);
            let d_image: Vec<f64> = text.direction.iter().map(|x| x * d_cosine).collect();
            gradients.images.push(image.backward(&d_image));
        }
        gradients.texts.push(text.backward(&d_text));
        losses.push(loss);
        all_cosines.push(cosines);
    }
    Ok(BatchLoss { losses, cosines: all_cosines, gradients })
}

/// The loss of one comparison, and its slope in every logit.
fn loss_and_slopes(logits: &[f64], label: &[f32], kind: LossKind) -> (f64, Vec<f64>) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = exps.iter().sum();
    let label: Vec<f64> = label.iter().map(|&share| f64::from(share)).collect();
    let mass: f64 = label.iter().sum();
    let mut loss = 0.0;
    for (logit, share) in logits.iter().zip(&label) {
        loss -= share * (logit - largest - total.ln());
        if kind == LossKind::Kl && *share > 0.0 {
            loss += share * share.ln();
        }
    }
    let slopes = exps.iter().zip(&label).map(|(exp, share)| mass * exp / total - share).collect();
    (loss, slopes)
}

/// A feature as a direction and a length.
struct Unit {
    direction: Vec<f64>,
    length: f64,
}

impl Unit {
    /// As `torch.nn.functional.normalize`: a length below 1e-12 counts as that.
    fn of(row: &[f32]) -> Self {
        let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let length = squares.sqrt().max(1e-12);
        Unit { direction: row.iter().map(|&x| f64::from(x) / length).collect(), length }
    }

    fn dot(&self, other: &Unit) -> f64 {
        dot(&self.direction, &other.direction)
    }

    /// From the gradient of the direction to that of the feature.
    fn backward(&self, d: &[f64]) -> Vec<f32> {
        let along = dot(d, &self.direction);
        let across = d.iter().zip(&self.direction).map(|(d, x)| (d - along * x) / self.length);
        across.map(|value| value as f32).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(sum: &mut [f64], factor: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
}

/// The cosine of two features, as a score is one.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    Unit::of(a).dot(&Unit::of(b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn features(pictures: usize, prompts: usize) -> Features {
        let row = |i: usize| (0..4).map(|j| ((i * 7 + j * 3 + 1) as f32 * 0.9).sin()).collect();
        Features {
            images: (0..pictures).map(row).collect(),
            texts: (100..100 + prompts).map(row).collect(),
        }
    }

    fn targets() -> Vec<Target> {
        let target = |label: &[f32]| Target { label: label.to_vec(), ranks: Vec::new() };
        vec![target(&[1.0, 0.0]), target(&[0.2, 0.5, 0.3]), target(&[0.5, 0.5])]
    }

    fn total(features: &Features, scale: f32, kind: LossKind) -> f64 {
        batch_loss(features, &targets(), scale, kind, 1.0).unwrap().losses.iter().sum()
    }

    #[test]
    fn two_pictures_are_the_logistic_loss() {
        let (loss, slopes) = loss_and_slopes(&[3.0, 1.0], &[0.0, 1.0], LossKind::CrossEntropy);
        assert!((loss - (2f64.exp() + 1.0).ln()).abs() < 1e-12);
        let chosen = 1.0 / (1.0 + (-2f64).exp());
        assert!((slopes[0] - chosen).abs() < 1e-12 && (slopes[1] + chosen).abs() < 1e-12);
        let (tie, _) = loss_and_slopes(&[1.0, 1.0], &[0.5, 0.5], LossKind::CrossEntropy);
        assert!((tie - 2f64.ln()).abs() < 1e-12);
        let (tie, _) = loss_and_slopes(&[1.0, 1.0], &[0.5, 0.5], LossKind::Kl);
        assert!(tie.abs() < 1e-12);
        let (huge, _) = loss_and_slopes(&[1e4, -1e4], &[0.0, 1.0], LossKind::CrossEntropy);
        assert!((huge - 2e4).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_differences() {
        let (scale, step) = (1.3f32, 1e-3f32);
        let base = features(7, 3);
        let loss = batch_loss(&base, &targets(), scale, LossKind::CrossEntropy, 1.0).unwrap();
        let slope = |change: &dyn Fn(&mut Features, f32)| {
            let at = |delta: f32| {
                let mut features = base.clone();
                change(&mut features, delta);
                total(&features, scale, LossKind::Kl)
            };
            (at(step) - at(-step)) / f64::from(2.0 * step)
        };
        for column in 0..4 {
            for row in 0..7 {
                let measured = slope(&|features, delta| features.images[row][column] += delta);
                let ours = f64::from(loss.gradients.images[row][column]);
                assert!((ours - measured).abs() < 2e-4, "image {row} {column}: {ours} {measured}");
            }
            for row in 0..3 {
                let measured = slope(&|features, delta| features.texts[row][column] += delta);
                let ours = f64::from(loss.gradients.texts[row][column]);
                assert!((ours - measured).abs() < 2e-4, "text {row} {column}: {ours} {measured}");
            }
        }
        let at = |scale| total(&base, scale, LossKind::CrossEntropy);
        let measured = (at(scale + step) - at(scale - step)) / f64::from(2.0 * step);
        assert!((loss.gradients.logit_scale - measured).abs() < 2e-4);
    }

    #[test]
    fn weights_scale_gradients_and_not_losses() {
        let base = features(7, 3);
        let of = |weight| batch_loss(&base, &targets(), 1.0, LossKind::Kl, weight).unwrap();
        let (whole, half) = (of(1.0), of(0.5));
        assert_eq!(whole.losses, half.losses);
        assert_eq!(whole.gradients.logit_scale, 2.0 * half.gradients.logit_scale);
        assert_eq!(whole.gradients.images[3][1], 2.0 * half.gradients.images[3][1]);
        assert_eq!(whole.cosines[1].len(), 3);
        assert!((whole.cosines[0][0] - cosine(&base.texts[0], &base.images[0])).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(batch_loss(&features(6, 3), &targets(), 1.0, LossKind::Kl, 1.0).is_err());
        assert!(batch_loss(&features(7, 2), &targets(), 1.0, LossKind::Kl, 1.0).is_err());
    }
}
