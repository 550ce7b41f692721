//! The noise levels a model was trained with.

use std::f64::consts::FRAC_PI_2;

use hps_core::{Error, ErrorKind, Result};

use super::{BetaSchedule, SchedulerConfig};

/// No model is trained with more noise levels; the limit keeps a damaged
/// configuration from asking for all of the memory.
const MOST_TIMESTEPS: usize = 100_000;

/// The share of signal left at each training timestep.
///
/// Values are rounded to `f32` where diffusers rounds them.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

impl NoiseSchedule {
    /// The schedule that `config` describes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the betas are not all within (0, 1], or
    /// their number is zero, not `num_train_timesteps`, or above 100 000.
    pub fn new(config: &SchedulerConfig) -> Result<Self> {
        let count = config.num_train_timesteps;
        if count == 0 || count > MOST_TIMESTEPS {
            return Err(invalid(format!("num_train_timesteps is {count}")));
        }
        let betas = match &config.trained_betas {
            Some(betas) if betas.len() == count => betas.clone(),
            Some(betas) => {
                return Err(invalid(format!("{} trained_betas for {count}", betas.len())));
            }
            None => betas(config),
        };
        if let Some(beta) = betas.iter().find(|beta| !(**beta > 0.0 && **beta <= 1.0)) {
            return Err(invalid(format!("a beta is {beta}")));
        }
        let alphas_cumprod = match config.rescale_betas_zero_snr {
            true => cumulative(&rescale_zero_snr(&betas)),
            false => cumulative(&betas),
        };
        if alphas_cumprod.iter().any(|alpha| !alpha.is_finite()) {
            return Err(invalid("the betas leave no schedule".to_owned()));
        }
        Ok(NoiseSchedule { alphas_cumprod })
    }

    /// The number of training timesteps, at least 1.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// The cumulative products of `1 - beta`, from nearly 1 towards 0.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// The ratio of noise to signal at each timestep, `sqrt((1 - a) / a)`. Where
    /// nothing of the signal is left, `a` is taken as 2^-24 to keep it finite.
    pub fn sigmas(&self) -> Vec<f32> {
        let signal = |a: f32| if a > 0.0 { a } else { 2f32.powi(-24) };
        let ratio = |a: f32| ((1.0 - a) / a).sqrt();
        self.alphas_cumprod.iter().map(|&a| ratio(signal(a))).collect()
    }
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("scheduler configuration: {what}"))
}

fn betas(config: &SchedulerConfig) -> Vec<f32> {
    let (start, end, count) = (config.beta_start, config.beta_end, config.num_train_timesteps);
    match config.beta_schedule {
        BetaSchedule::Linear => linspace(start as f32, end as f32, count),
        BetaSchedule::ScaledLinear => {
            let roots = linspace(start.sqrt() as f32, end.sqrt() as f32, count);
            roots.into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredcosCapV2 => {
            let alpha_bar = |i: usize| {
                let t = i as f64 / count as f64;
                libm::pow(libm::cos((t + 0.008) / 1.008 * FRAC_PI_2), 2.0)
            };
            let beta = |i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(0.999) as f32;
            (0..count).map(beta).collect()
        }
    }
}

/// `torch.linspace` in `f32`, which counts from both ends and rounds once.
fn linspace(start: f32, end: f32, count: usize) -> Vec<f32> {
    let step = (end - start) / (count.max(2) - 1) as f32;
    let value = |i: usize| match i < count / 2 || count == 1 {
        true => step.mul_add(i as f32, start),
        false => step.mul_add(-((count - 1 - i) as f32), end),
    };
    (0..count).map(value).collect()
}

/// `torch.cumprod(1 - betas)`, which multiplies in `f64` and keeps `f32`.
fn cumulative(betas: &[f32]) -> Vec<f32> {
    let products = betas.iter().scan(1f64, |product, &beta| {
        *product *= f64::from(1.0 - beta);
        Some(*product as f32)
    });
    products.collect()
}

/// Betas whose last noise level is pure noise: algorithm 1 of arXiv:2305.08891.
fn rescale_zero_snr(betas: &[f32]) -> Vec<f32> {
    let mut roots: Vec<f32> = cumulative(betas).into_iter().map(f32::sqrt).collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else { return Vec::new() };
    for root in &mut roots {
        *root = (*root - last) * (first / (first - last));
    }
    let bars: Vec<f32> = roots.into_iter().map(|root| root * root).collect();
    let ratios = bars.windows(2).map(|pair| pair[1] / pair[0]);
    bars.iter().take(1).copied().chain(ratios).map(|alpha| 1.0 - alpha).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn stable_diffusion() -> SchedulerConfig {
        SchedulerConfig {
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            ..SchedulerConfig::default()
        }
    }

    /// `alphas_cumprod` of diffusers at timesteps 0, 1, 250, 500, 750, 998, 999.
    #[test]
    fn values_of_diffusers() {
        let linear = SchedulerConfig::default();
        let cosine = SchedulerConfig {
            beta_schedule: BetaSchedule::SquaredcosCapV2,
            ..SchedulerConfig::default()
        };
        let zero_snr = SchedulerConfig { rescale_betas_zero_snr: true, ..stable_diffusion() };
        for (config, expected) in [
            (stable_diffusion(), SCALED_LINEAR),
            (linear, LINEAR),
            (cosine, COSINE),
            (zero_snr, ZERO_SNR),
        ] {
            let schedule = NoiseSchedule::new(&config).unwrap();
            for (t, expected) in [0, 1, 250, 500, 750, 998, 999].into_iter().zip(expected) {
                let value = schedule.alphas_cumprod()[t];
                // torch rounds differently with other vector widths.
                assert!((value - expected).abs() <= 1e-6 * expected, "{t}: {value} {expected}");
            }
        }
    }

    const SCALED_LINEAR: [f32; 7] = [
        0.999_15,
        0.998_296,
        0.673_792_3,
        0.276_332_47,
        0.056_169_804,
        0.004_716_695_8,
        0.004_660_095,
    ];
    const LINEAR: [f32; 7] = [
        0.999_9,
        0.999_780_06,
        0.521_423,
        0.077_796_65,
        0.003_300_158_5,
        4.1181942e-5,
        4.0358304e-5,
    ];
    const COSINE: [f32; 7] = [
        0.999_958_7,
        0.999_912_56,
        0.845_888,
        0.492_285_04,
        0.143_178_66,
        2.4287663e-6,
        2.428735e-9,
    ];
    const ZERO_SNR: [f32; 7] =
        [0.999_15, 0.998_233_5, 0.652_456_76, 0.241_018_64, 0.032_799_08, 1.9679634e-7, 0.0];

    #[test]
    fn damaged_configurations_are_refused() {
        let base = stable_diffusion;
        for config in [
            SchedulerConfig { num_train_timesteps: 0, ..base() },
            SchedulerConfig { num_train_timesteps: usize::MAX, ..base() },
            SchedulerConfig { trained_betas: Some(vec![0.1; 7]), ..base() },
            SchedulerConfig { beta_start: f64::NAN, ..base() },
            SchedulerConfig { beta_end: 1.5, ..base() },
            SchedulerConfig { beta_start: -1.0, ..base() },
            SchedulerConfig { num_train_timesteps: 1, rescale_betas_zero_snr: true, ..base() },
        ] {
            let error = NoiseSchedule::new(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        }
    }

    #[test]
    fn trained_betas_are_used_as_they_are() {
        let config = SchedulerConfig {
            num_train_timesteps: 3,
            trained_betas: Some(vec![0.5, 0.25, 0.5]),
            ..stable_diffusion()
        };
        let schedule = NoiseSchedule::new(&config).unwrap();
        assert_eq!(schedule.alphas_cumprod(), [0.5, 0.375, 0.1875]);
    }
}
