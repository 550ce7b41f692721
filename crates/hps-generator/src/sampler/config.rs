//! `scheduler_config.json` of diffusers.

use serde::{Deserialize, Serialize};

use super::PredictionType;

/// The training schedule of a model and the settings of its samplers.
///
/// One configuration serves every sampler: where a setting is left out, each
/// takes its own default, as `from_config` of diffusers does. Keys that only other
/// samplers read are ignored; a setting below that would change a picture and
/// cannot be followed is refused when the sampler is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    /// The scheduler the model's authors chose.
    #[serde(rename = "_class_name", skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// The number of noise levels in training.
    pub num_train_timesteps: usize,
    /// The first beta.
    pub beta_start: f64,
    /// The last beta.
    pub beta_end: f64,
    /// The curve between them.
    pub beta_schedule: BetaSchedule,
    /// All betas, instead of the three settings above.
    pub trained_betas: Option<Vec<f32>>,
    /// What the model predicts.
    pub prediction_type: PredictionType,
    /// How the steps are spread over the training timesteps. Default: `leading`
    /// for `ddim`, `linspace` for `euler`.
    pub timestep_spacing: Option<TimestepSpacing>,
    /// Added to timesteps with `leading` spacing.
    pub steps_offset: usize,
    /// Whether the last noise level is pure noise (arXiv:2305.08891, §3.1).
    pub rescale_betas_zero_snr: bool,
    /// DDIM: whether x0 is limited to ± [`clip_sample_range`](Self::clip_sample_range).
    /// Default: yes in a DDIM configuration, as in diffusers, and no otherwise,
    /// since no latent model is trained with clipping.
    pub clip_sample: Option<bool>,
    /// DDIM: see [`clip_sample`](Self::clip_sample).
    pub clip_sample_range: f32,
    /// DDIM: whether the last step removes all noise. Default: yes.
    pub set_alpha_to_one: Option<bool>,
    /// DDIM: dynamic thresholding; refused where set.
    pub thresholding: bool,
    /// Euler: `linear`, the only one implemented, or `log_linear`.
    pub interpolation_type: Option<String>,
    /// Euler: noise levels of arXiv:2206.00364, equation 5.
    pub use_karras_sigmas: Option<bool>,
    /// Euler: another spacing of noise levels; refused where set.
    pub use_exponential_sigmas: Option<bool>,
    /// Euler: another spacing of noise levels; refused where set.
    pub use_beta_sigmas: Option<bool>,
    /// Euler with Karras' levels: the last level before 0.
    pub sigma_min: Option<f64>,
    /// Euler with Karras' levels: the first level.
    pub sigma_max: Option<f64>,
    /// Euler: `discrete`, the only one implemented, or `continuous`.
    pub timestep_type: Option<String>,
    /// Euler: the level after the last step.
    pub final_sigmas_type: FinalSigmas,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig {
            class_name: None,
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            trained_betas: None,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: None,
            steps_offset: 0,
            rescale_betas_zero_snr: false,
            clip_sample: None,
            clip_sample_range: 1.0,
            set_alpha_to_one: None,
            thresholding: false,
            interpolation_type: None,
            use_karras_sigmas: None,
            use_exponential_sigmas: None,
            use_beta_sigmas: None,
            sigma_min: None,
            sigma_max: None,
            timestep_type: None,
            final_sigmas_type: FinalSigmas::Zero,
        }
    }
}

/// The curve of betas over the training timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Linear.
    Linear,
    /// Linear in the square root, as all of Stable Diffusion.
    ScaledLinear,
    /// The cosine schedule of arXiv:2102.09672.
    SquaredcosCapV2,
}

/// How steps are spread over the training timesteps (arXiv:2305.08891, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// First and last timestep included, evenly between.
    Linspace,
    /// Multiples of the step width, from 0 upwards.
    Leading,
    /// Multiples of the step width, from the last timestep downwards.
    Trailing,
}

/// The noise level after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigmas {
    /// None.
    Zero,
    /// The smallest level of training.
    SigmaMin,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nulls_and_foreign_keys_are_accepted() {
        let json = r#"{"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear",
            "trained_betas": null, "use_karras_sigmas": null, "skip_prk_steps": true,
            "prediction_type": "v_prediction", "timestep_spacing": "leading"}"#;
        let config: SchedulerConfig = serde_json::from_str(json).unwrap();
        assert_eq!(config.class_name.as_deref(), Some("PNDMScheduler"));
        assert_eq!(config.prediction_type, PredictionType::VPrediction);
        assert_eq!(config.timestep_spacing, Some(TimestepSpacing::Leading));
        assert_eq!(config.num_train_timesteps, 1000);
    }

    #[test]
    fn an_unknown_prediction_names_the_known_ones() {
        let json = r#"{"prediction_type": "flow_prediction"}"#;
        let error = serde_json::from_str::<SchedulerConfig>(json).unwrap_err().to_string();
        assert!(error.contains("flow_prediction") && error.contains("v_prediction"), "{error}");
    }
}
