//! What a picture says about itself.

use hps_core::{GeneratorInfo, SampleSpec};

use crate::png;

/// The keywords that every picture of this program carries.
const REQUIRED: [&str; 5] = ["prompt", "seed", "candidate", "scheduler", "num_inference_steps"];

/// The text chunks of a picture: what is needed to draw it again, and nothing else.
///
/// There is no time, host, path or run id among them, so that equal runs give
/// equal bytes. For the same reason the model's digest must be known before the
/// first picture of a run is stored, or in none of its pictures: an unknown
/// digest is left out.
pub fn text_chunks(model: &GeneratorInfo, spec: &SampleSpec) -> Vec<(String, String)> {
    let mut text = vec![("prompt", spec.prompt.to_string())];
    if let Some(negative) = &spec.negative_prompt {
        text.push(("negative_prompt", negative.to_string()));
    }
    text.extend([
        ("seed", spec.seed.to_string()),
        ("candidate", spec.candidate.to_string()),
        ("width", spec.width.to_string()),
        ("height", spec.height.to_string()),
        ("num_inference_steps", spec.num_inference_steps.to_string()),
        ("guidance_scale", spec.guidance_scale.to_string()),
        ("scheduler", spec.scheduler.clone()),
        ("eta", spec.eta.to_string()),
        ("model_family", model.family.clone()),
    ]);
    if let Some(digest) = &model.model_sha256 {
        text.push(("model_sha256", digest.clone()));
    }
    text.push(("precision", model.precision.to_string()));
    text.push(("kernel", model.kernel.clone()));
    text.into_iter().map(|(keyword, value)| (keyword.to_owned(), value)).collect()
}

/// Whether the file is a picture with text chunks of this program.
pub(crate) fn is_ours(bytes: &[u8]) -> bool {
    png::text(bytes).is_ok_and(|text| REQUIRED.iter().all(|keyword| text.contains_key(*keyword)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_core::{Image, Precision, Prompt, SampleDefaults, Seed};

    use super::*;

    fn model() -> GeneratorInfo {
        GeneratorInfo {
            model: "/home/somebody/model".into(),
            family: "stable-diffusion".into(),
            model_sha256: Some("ab".repeat(32)),
            precision: Precision::F32,
            kernel: "candle-cpu".into(),
            defaults: SampleDefaults {
                width: 8,
                height: 8,
                num_inference_steps: 2,
                guidance_scale: 1.0,
                scheduler: "ddim".into(),
            },
            schedulers: vec!["ddim".into()],
        }
    }

    fn spec() -> SampleSpec {
        SampleSpec {
            prompt: Prompt::from("ein Fuchs 狐"),
            negative_prompt: None,
            seed: Seed(u64::MAX),
            candidate: 3,
            width: 8,
            height: 16,
            num_inference_steps: 2,
            guidance_scale: 7.5,
            scheduler: "ddim".into(),
            eta: 0.0,
        }
    }

    #[test]
    fn the_text_says_how_and_not_where() {
        let text = text_chunks(&model(), &spec());
        let get = |key: &str| text.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(get("prompt"), Some("ein Fuchs 狐"));
        assert_eq!(get("seed"), Some("18446744073709551615"));
        assert_eq!(get("guidance_scale"), Some("7.5"));
        assert_eq!(get("model_sha256"), Some("ab".repeat(32).as_str()));
        assert_eq!((get("precision"), get("kernel")), (Some("f32"), Some("candle-cpu")));
        assert_eq!(get("negative_prompt"), None);
        assert!(text.iter().all(|(_, value)| !value.contains('/')));
        let unknown = GeneratorInfo { model_sha256: None, ..model() };
        assert!(text_chunks(&unknown, &spec()).iter().all(|(key, _)| key != "model_sha256"));
    }

    #[test]
    fn every_field_of_the_specification_shows() {
        let base = text_chunks(&model(), &spec());
        let others = [
            SampleSpec { prompt: Prompt::from("x"), ..spec() },
            SampleSpec { negative_prompt: Some(Prompt::from("x")), ..spec() },
            SampleSpec { seed: Seed(1), ..spec() },
            SampleSpec { candidate: 1, ..spec() },
            SampleSpec { width: 1, ..spec() },
            SampleSpec { height: 1, ..spec() },
            SampleSpec { num_inference_steps: 1, ..spec() },
            SampleSpec { guidance_scale: 1.0, ..spec() },
            SampleSpec { scheduler: "euler".into(), ..spec() },
            SampleSpec { eta: 1.0, ..spec() },
        ];
        for other in others {
            assert_ne!(text_chunks(&model(), &other), base);
        }
    }

    #[test]
    fn own_pictures_are_recognised() {
        let image = Image::from_rgb8(1, 1, vec![0; 3]).unwrap();
        let ours = png::encode(&image, &text_chunks(&model(), &spec())).unwrap();
        assert!(is_ours(&ours));
        assert!(!is_ours(&png::encode(&image, &[]).unwrap()));
        assert!(!is_ours(b"text"));
    }
}
