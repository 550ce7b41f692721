//! Euler's method on the probability-flow equation
//! (<https://arxiv.org/abs/2206.00364>, algorithm 2 without churn), in the
//! arithmetic of diffusers' `EulerDiscreteScheduler`.
//!
//! Latents of this sampler are `x0 + sigma * noise`: they are larger than those
//! of DDIM by `sqrt(sigma^2 + 1)`.

use hps_core::{Error, ErrorKind, Result};

use super::timesteps::spread;
use super::{
    FinalSigmas, NoiseSchedule, PredictionType, SchedulerConfig, StepInput, StepOutput,
    TimestepSpacing, karras,
};

/// The numbers of an Euler run.
#[derive(Clone, Debug)]
pub struct Euler {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    init_noise_sigma: f32,
    prediction: PredictionType,
}

impl Euler {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        check_supported(config)?;
        let trained = NoiseSchedule::new(config)?.sigmas();
        let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace);
        let timesteps = spread(spacing, config.num_train_timesteps, steps, config.steps_offset);
        let mut timesteps: Vec<f32> = timesteps.into_iter().map(|t| t as f32).collect();
        let mut levels: Vec<f64> =
            timesteps.iter().map(|&t| interpolate(&trained, f64::from(t))).collect();
        if config.use_karras_sigmas == Some(true) {
            levels = karras::levels(&levels, config.sigma_min, config.sigma_max)?;
            timesteps = karras::timesteps(&levels, &trained);
        }
        let mut sigmas: Vec<f32> = levels.into_iter().map(|level| level as f32).collect();
        sigmas.push(match config.final_sigmas_type {
            FinalSigmas::Zero => 0.0,
            FinalSigmas::SigmaMin => trained[0],
        });
        let largest = sigmas.iter().copied().fold(0.0, f32::max);
        let init_noise_sigma = match spacing {
            TimestepSpacing::Leading => (largest * largest + 1.0).sqrt(),
            TimestepSpacing::Linspace | TimestepSpacing::Trailing => largest,
        };
        Ok(Euler { timesteps, sigmas, init_noise_sigma, prediction: config.prediction_type })
    }

    /// The timestep of each step.
    pub fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    /// The noise level before each step, and after the last.
    pub fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    /// The standard deviation of the initial latents.
    pub fn init_noise_sigma(&self) -> f32 {
        self.init_noise_sigma
    }

    pub(super) fn scale_model_input(&self, step: usize, sample: &[f32]) -> Vec<f32> {
        let sigma = self.sigmas.get(step).copied().unwrap_or(0.0);
        let scale = (sigma * sigma + 1.0).sqrt();
        sample.iter().map(|x| x / scale).collect()
    }

    pub(super) fn step(&self, input: StepInput<'_>) -> StepOutput {
        let (sigma, next) = (self.sigmas[input.step], self.sigmas[input.step + 1]);
        let mut output = StepOutput {
            sample: Vec::with_capacity(input.sample.len()),
            x0: Vec::with_capacity(input.sample.len()),
        };
        for (&model_output, &sample) in input.model_output.iter().zip(input.sample) {
            let x0 = self.x0(sigma, model_output, sample);
            let derivative = (sample - x0) / sigma;
            output.x0.push(x0);
            output.sample.push(sample + derivative * (next - sigma));
        }
        output
    }

    fn x0(&self, sigma: f32, model_output: f32, sample: f32) -> f32 {
        let square = sigma * sigma + 1.0;
        match self.prediction {
            PredictionType::Epsilon => sample - sigma * model_output,
            PredictionType::Sample => model_output,
            PredictionType::VPrediction => {
                model_output * (-sigma / square.sqrt()) + sample / square
            }
        }
    }
}

fn check_supported(config: &SchedulerConfig) -> Result<()> {
    let interpolation = config.interpolation_type.as_deref().unwrap_or("linear");
    let timestep_type = config.timestep_type.as_deref().unwrap_or("discrete");
    let problem = if interpolation != "linear" {
        format!("interpolation_type '{interpolation}'")
    } else if timestep_type != "discrete" {
        format!("timestep_type '{timestep_type}'")
    } else if config.use_exponential_sigmas == Some(true) {
        "use_exponential_sigmas".to_owned()
    } else if config.use_beta_sigmas == Some(true) {
        "use_beta_sigmas".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::InvalidConfig,
        format!("scheduler configuration: {problem} is not supported by the sampler 'euler'"),
    )
    .with_hint("Choose the sampler 'ddim'."))
}

/// `numpy.interp` over the timesteps 0, 1, …: linear between, constant outside.
fn interpolate(values: &[f32], t: f64) -> f64 {
    let at = |index: usize| f64::from(values[index.min(values.len() - 1)]);
    let t = t.max(0.0);
    let low = t as usize;
    if low + 1 >= values.len() {
        return at(low);
    }
    (at(low + 1) - at(low)) * (t - low as f64) + at(low)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn interpolation_is_clamped() {
        let values = [1.0, 2.0, 4.0];
        let expected = [(-1.0, 1.0), (0.0, 1.0), (0.5, 1.5), (1.75, 3.5), (2.0, 4.0), (9.0, 4.0)];
        for (t, value) in expected {
            assert_eq!(interpolate(&values, t), value);
        }
    }

    #[test]
    fn unsupported_settings_are_named() {
        let base = SchedulerConfig::default;
        for (config, name) in [
            (SchedulerConfig { use_beta_sigmas: Some(true), ..base() }, "use_beta_sigmas"),
            (
                SchedulerConfig { use_exponential_sigmas: Some(true), ..base() },
                "use_exponential_sigmas",
            ),
            (SchedulerConfig { timestep_type: Some("continuous".into()), ..base() }, "continuous"),
            (
                SchedulerConfig { interpolation_type: Some("log_linear".into()), ..base() },
                "log_linear",
            ),
        ] {
            let error = Euler::new(&config, 4).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn the_last_level_can_be_kept() {
        let config =
            SchedulerConfig { final_sigmas_type: FinalSigmas::SigmaMin, ..Default::default() };
        let euler = Euler::new(&config, 3).unwrap();
        assert_eq!(euler.sigmas()[3], euler.sigmas()[2]);
        let zero = Euler::new(&SchedulerConfig::default(), 3).unwrap();
        assert_eq!(zero.sigmas()[3], 0.0);
    }
}
