//! Recommended settings of a model.

use hps_core::SampleDefaults;

use crate::sampler::{SamplerKind, SchedulerConfig, TimestepSpacing};
use crate::unet::UNetConfig;

/// The latents' side where `unet/config.json` does not say it.
const SAMPLE_SIZE: usize = 64;

/// The settings that diffusers' pipeline uses, and those of SD-Turbo's model card
/// for models of its kind. `scale` is the number of pixels a latent stands for.
pub(super) fn defaults(
    unet: &UNetConfig,
    scheduler: &SchedulerConfig,
    scale: usize,
) -> SampleDefaults {
    let (height, width) = unet.sample_size.map_or((SAMPLE_SIZE, SAMPLE_SIZE), |size| size.sides());
    let kind = default_sampler(scheduler);
    let turbo = is_turbo(kind, scheduler);
    let pixels = |latents: usize| u32::try_from(latents.saturating_mul(scale)).unwrap_or(u32::MAX);
    SampleDefaults {
        width: pixels(width),
        height: pixels(height),
        num_inference_steps: if turbo { 1 } else { 50 },
        guidance_scale: if turbo { 0.0 } else { 7.5 },
        scheduler: kind.id().to_owned(),
    }
}

/// The sampler the model's authors chose, where it is one of ours.
fn default_sampler(config: &SchedulerConfig) -> SamplerKind {
    let class_name = config.class_name.as_deref().unwrap_or("unnamed");
    SamplerKind::from_class_name(class_name).unwrap_or_else(|| {
        tracing::info!(
            scheduler = class_name,
            instead = %SamplerKind::Ddim,
            "the model's own scheduler is not supported; another one is the default"
        );
        SamplerKind::Ddim
    })
}

/// Models distilled to a few steps are published with these two settings.
fn is_turbo(kind: SamplerKind, config: &SchedulerConfig) -> bool {
    kind == SamplerKind::Euler && config.timestep_spacing == Some(TimestepSpacing::Trailing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unet::SampleSize;

    fn scheduler(class: &str, spacing: TimestepSpacing) -> SchedulerConfig {
        SchedulerConfig {
            class_name: Some(class.into()),
            timestep_spacing: Some(spacing),
            ..SchedulerConfig::default()
        }
    }

    #[test]
    fn ordinary_and_turbo_models() {
        let unet = UNetConfig::default();
        let usual = defaults(&unet, &scheduler("PNDMScheduler", TimestepSpacing::Leading), 8);
        assert_eq!((usual.width, usual.height, usual.num_inference_steps), (512, 512, 50));
        assert_eq!((usual.guidance_scale, usual.scheduler.as_str()), (7.5, "ddim"));
        let class = "EulerDiscreteScheduler";
        let euler = defaults(&unet, &scheduler(class, TimestepSpacing::Leading), 8);
        assert_eq!((euler.num_inference_steps, euler.scheduler.as_str()), (50, "euler"));
        let turbo = defaults(&unet, &scheduler(class, TimestepSpacing::Trailing), 8);
        assert_eq!((turbo.num_inference_steps, turbo.guidance_scale), (1, 0.0));
    }

    #[test]
    fn sizes_follow_the_network() {
        let unet =
            UNetConfig { sample_size: Some(SampleSize::Sides(96, 64)), ..UNetConfig::default() };
        let wide = defaults(&unet, &SchedulerConfig::default(), 8);
        assert_eq!((wide.height, wide.width), (768, 512));
    }
}
