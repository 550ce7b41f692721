//! DDIM: <https://arxiv.org/abs/2010.02502>, equations 12 and 16, in the
//! arithmetic of diffusers' `DDIMScheduler`.

use hps_core::{Error, ErrorKind, Result};

use super::timesteps::spread;
use super::{
    NoiseSchedule, PredictionType, SamplerKind, SchedulerConfig, StepInput, StepOutput,
    TimestepSpacing,
};

/// The numbers of a DDIM run.
#[derive(Clone, Debug)]
pub struct Ddim {
    timesteps: Vec<f32>,
    /// For each step the signal share before and after it.
    alphas: Vec<(f32, f32)>,
    prediction: PredictionType,
    clip: Option<f32>,
    eta: f32,
}

impl Ddim {
    pub(super) fn new(config: &SchedulerConfig, steps: usize, eta: f32) -> Result<Self> {
        if config.thresholding {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "scheduler configuration: thresholding is not supported",
            ));
        }
        let schedule = NoiseSchedule::new(config)?;
        let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Leading);
        let train = config.num_train_timesteps;
        let mut timesteps = spread(spacing, train, steps, config.steps_offset);
        if spacing == TimestepSpacing::Linspace {
            timesteps.iter_mut().for_each(|t| *t = t.round_ties_even());
        }
        let alphas = timesteps.iter().map(|&t| {
            let alpha = at(&schedule, t as usize)?;
            // Not the next timestep of the list: diffusers subtracts the width.
            let previous = match (t as usize).checked_sub(train / steps) {
                Some(previous) => at(&schedule, previous)?,
                None if config.set_alpha_to_one.unwrap_or(true) => 1.0,
                None => at(&schedule, 0)?,
            };
            Ok((alpha, previous))
        });
        let alphas: Vec<_> = alphas.collect::<Result<_>>()?;
        let prediction = config.prediction_type;
        if prediction == PredictionType::Epsilon && alphas.iter().any(|&(alpha, _)| alpha <= 0.0) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "scheduler configuration: pure noise has no solution with prediction_type epsilon",
            )
            .with_hint("Use the sampler 'euler', or leading timesteps."));
        }
        let is_ddim = config.class_name.as_deref() == Some(SamplerKind::Ddim.class_name());
        let clip = config.clip_sample.unwrap_or(is_ddim).then_some(config.clip_sample_range);
        let timesteps = timesteps.into_iter().map(|t| t as f32).collect();
        Ok(Ddim { timesteps, alphas, prediction, clip, eta })
    }

    /// The timestep of each step.
    pub fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    /// Whether steps take noise.
    pub fn is_stochastic(&self) -> bool {
        self.eta > 0.0
    }

    pub(super) fn step(&self, input: StepInput<'_>) -> Result<StepOutput> {
        let StepInput { step, model_output, sample, noise } = input;
        if self.is_stochastic() && noise.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("step {step} of a stochastic sampler got no noise"),
            ));
        }
        let (alpha, previous) = self.alphas[step];
        let variance = (1.0 - previous) / (1.0 - alpha) * (1.0 - alpha / previous);
        let deviation = self.eta * variance.max(0.0).sqrt();
        let direction = (1.0 - previous - deviation * deviation).max(0.0).sqrt();
        let mut output = StepOutput {
            sample: Vec::with_capacity(sample.len()),
            x0: Vec::with_capacity(sample.len()),
        };
        for (&model_output, &sample) in model_output.iter().zip(sample) {
            let (x0, epsilon) = self.split(alpha, model_output, sample);
            let x0 = self.clip.map_or(x0, |range| x0.clamp(-range, range));
            output.x0.push(x0);
            output.sample.push(previous.sqrt() * x0 + direction * epsilon);
        }
        if let (true, Some(noise)) = (self.is_stochastic(), noise) {
            output.sample.iter_mut().zip(noise).for_each(|(x, &noise)| *x += deviation * noise);
        }
        Ok(output)
    }

    /// The predicted finished value and the predicted noise.
    fn split(&self, alpha: f32, model_output: f32, sample: f32) -> (f32, f32) {
        let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        match self.prediction {
            PredictionType::Epsilon => ((sample - noise * model_output) / signal, model_output),
            PredictionType::Sample => (model_output, (sample - signal * model_output) / noise),
            PredictionType::VPrediction => {
                (signal * sample - noise * model_output, signal * model_output + noise * sample)
            }
        }
    }
}

fn at(schedule: &NoiseSchedule, timestep: usize) -> Result<f32> {
    schedule.alphas_cumprod().get(timestep).copied().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("timestep {timestep} is beyond the {} of training", schedule.len()),
        )
        .with_hint("Choose fewer steps.")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn clipping_follows_the_configuration() {
        let config = |class: &str, clip| SchedulerConfig {
            class_name: Some(class.into()),
            clip_sample: clip,
            clip_sample_range: 0.5,
            ..SchedulerConfig::default()
        };
        let x0 = |config: SchedulerConfig| {
            let input = StepInput { step: 0, model_output: &[0.0], sample: &[3.0], noise: None };
            Ddim::new(&config, 4, 0.0).unwrap().step(input).unwrap().x0[0]
        };
        assert_eq!(x0(config("DDIMScheduler", None)), 0.5);
        assert_eq!(x0(config("PNDMScheduler", Some(true))), 0.5);
        assert!(x0(config("PNDMScheduler", None)) > 3.0);
        assert!(x0(config("DDIMScheduler", Some(false))) > 3.0);
    }

    #[test]
    fn an_offset_beyond_the_training_range_is_an_error() {
        let config = SchedulerConfig { steps_offset: 1, ..SchedulerConfig::default() };
        let error = Ddim::new(&config, 1000, 0.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(Ddim::new(&config, 999, 0.0).is_ok());
    }

    #[test]
    fn pure_noise_needs_another_prediction() {
        let zero_snr = |prediction_type| SchedulerConfig {
            rescale_betas_zero_snr: true,
            timestep_spacing: Some(TimestepSpacing::Trailing),
            prediction_type,
            ..SchedulerConfig::default()
        };
        assert!(Ddim::new(&zero_snr(PredictionType::Epsilon), 5, 0.0).is_err());
        let ddim = Ddim::new(&zero_snr(PredictionType::VPrediction), 5, 0.0).unwrap();
        let input = StepInput { step: 0, model_output: &[-0.7], sample: &[0.2], noise: None };
        let output = ddim.step(input).unwrap();
        assert_eq!(output.x0, [0.7]);
        assert!(output.sample[0].is_finite());
    }
}
