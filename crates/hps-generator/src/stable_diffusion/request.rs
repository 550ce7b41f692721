//! Checking what is asked for.

use hps_core::{Error, ErrorKind, Result, SampleSpec};

/// The longest side in pixels: larger pictures need more memory than machines
/// have, and no model is trained for them.
const LONGEST_SIDE: u32 = 8192;

/// The latents' height and width for `spec`, where one latent stands for `scale`
/// pixels in each direction.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] if a side is no multiple of `scale`, zero, or too
/// long, or the guidance is not a number.
pub(super) fn latent_size(spec: &SampleSpec, scale: usize) -> Result<(usize, usize)> {
    if !spec.guidance_scale.is_finite() {
        return Err(invalid(format!("guidance_scale is {}", spec.guidance_scale))
            .with_hint("Choose a number; 7.5 is usual, and values up to 1 turn guidance off."));
    }
    let side = |name: &str, pixels: u32| latent_side(name, pixels, scale);
    Ok((side("height", spec.height)?, side("width", spec.width)?))
}

fn latent_side(name: &str, pixels: u32, scale: usize) -> Result<usize> {
    let scale = u32::try_from(scale).unwrap_or(u32::MAX).max(1);
    let below = pixels.min(LONGEST_SIDE) / scale * scale;
    let above = below + scale;
    if pixels > LONGEST_SIDE {
        return Err(invalid(format!("{name} {pixels} is more than {LONGEST_SIDE} pixels"))
            .with_hint(format!("The largest {name} is {below}.")));
    }
    if pixels == 0 || !pixels.is_multiple_of(scale) {
        let nearest = match below {
            0 => format!("{above} is"),
            _ => format!("{below} and {above} are"),
        };
        return Err(invalid(format!("{name} {pixels} is not a multiple of {scale}"))
            .with_hint(format!("{nearest} possible.")));
    }
    Ok((pixels / scale) as usize)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_core::{Prompt, Seed};

    use super::*;

    fn spec(width: u32, height: u32) -> SampleSpec {
        SampleSpec {
            prompt: Prompt::from("x"),
            negative_prompt: None,
            seed: Seed(0),
            candidate: 0,
            width,
            height,
            num_inference_steps: 1,
            guidance_scale: 1.0,
            scheduler: "ddim".into(),
            eta: 0.0,
        }
    }

    #[test]
    fn multiples_are_accepted() {
        assert_eq!(latent_size(&spec(512, 768), 8).unwrap(), (96, 64));
        assert_eq!(latent_size(&spec(8, 8192), 8).unwrap(), (1024, 1));
    }

    #[test]
    fn the_nearest_sizes_are_named() {
        for (width, hint) in [(0, "8 is"), (5, "8 is"), (500, "496 and 504"), (9000, "8192")] {
            let error = latent_size(&spec(width, 512), 8).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains("width"), "{error}");
            assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        }
        let error = latent_size(&spec(512, u32::MAX), 8).unwrap_err();
        assert!(error.message().contains("height"), "{error}");
    }

    #[test]
    fn guidance_must_be_a_number() {
        for guidance_scale in [f32::NAN, f32::INFINITY] {
            let spec = SampleSpec { guidance_scale, ..spec(512, 512) };
            assert!(latent_size(&spec, 8).is_err());
        }
    }
}
