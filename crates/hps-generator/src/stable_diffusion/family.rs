//! What kind of model a folder holds.

use hps_core::{Error, ErrorKind, Result};
use hps_weights::ModelFiles;
use serde::Deserialize;

use crate::unet::UNetConfig;

/// The configuration files of a model folder, besides `model_index.json`.
const PARTS: [&str; 4] = [
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
];

/// A family of models that this crate can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Stable Diffusion 1.x, 2.x, Turbo, and their fine-tunes.
    StableDiffusion,
}

impl Family {
    /// The name used in records.
    pub fn id(self) -> &'static str {
        match self {
            Family::StableDiffusion => "stable-diffusion",
        }
    }
}

#[derive(Deserialize)]
struct ModelIndex {
    #[serde(rename = "_class_name")]
    class_name: String,
}

/// Recognises the model in `files` by its configuration files; weights are not
/// looked at.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if `files` is no model folder, saying what is missing;
/// [`ErrorKind::InvalidConfig`] if the model is of a family that this version
/// cannot run, saying which.
pub fn detect(files: &ModelFiles) -> Result<Family> {
    if files.as_single_file().is_some() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{files} is a single file, not a model folder"),
        )
        .with_hint("Convert it with diffusers' `from_single_file` and `save_pretrained`."));
    }
    if !files.contains("model_index.json") {
        return Err(missing(files, &["model_index.json"]));
    }
    let index: ModelIndex = files.read_json("model_index.json")?;
    if index.class_name != "StableDiffusionPipeline" {
        return Err(unsupported(files, &index.class_name));
    }
    let absent: Vec<_> = PARTS.into_iter().filter(|part| !files.contains(part)).collect();
    if !absent.is_empty() {
        return Err(missing(files, &absent));
    }
    // LCM and other distilled models share the pipeline's name and differ here.
    UNetConfig::from_json(&files.read_json("unet/config.json")?)
        .map_err(|error| error.context(files))?;
    Ok(Family::StableDiffusion)
}

fn missing(files: &ModelFiles, absent: &[&str]) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("{files} is not a complete model folder: there is no {}", absent.join(", no ")),
    )
    .with_hint(
        "A model folder is what diffusers' `save_pretrained` writes: model_index.json and the \
         folders unet, vae, text_encoder, tokenizer and scheduler.",
    )
}

fn unsupported(files: &ModelFiles, class_name: &str) -> Error {
    let family = match class_name {
        name if name.starts_with("StableDiffusionXL") => "an SDXL model",
        name if name.starts_with("StableDiffusion3") => "a Stable Diffusion 3 model",
        name if name.starts_with("LatentConsistency") => "a latent consistency model (LCM)",
        name if name.starts_with("Flux") => "a FLUX model",
        name if name.contains("Inpaint") => "a model for inpainting",
        _ => "a model of another family",
    };
    Error::new(
        ErrorKind::InvalidConfig,
        format!("{files} is {family} ({class_name}), which this version cannot run"),
    )
    .with_hint("Use a model of the Stable Diffusion 1, 2 or Turbo family.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    fn folder(files: &[(&str, &'static str)]) -> ModelFiles {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes()));
        ModelFiles::memory("test", files.collect::<BTreeMap<_, _>>())
    }

    const INDEX: (&str, &str) =
        ("model_index.json", r#"{"_class_name": "StableDiffusionPipeline"}"#);
    const REST: [(&str, &str); 3] = [
        ("vae/config.json", "{}"),
        ("text_encoder/config.json", "{}"),
        ("scheduler/scheduler_config.json", "{}"),
    ];

    #[test]
    fn a_complete_folder_is_recognised() {
        let files = folder(&[&[INDEX, ("unet/config.json", "{}")][..], &REST].concat());
        assert_eq!(detect(&files).unwrap(), Family::StableDiffusion);
    }

    #[test]
    fn missing_files_are_listed() {
        let error = detect(&folder(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("model_index.json"));
        let error = detect(&folder(&[INDEX, ("unet/config.json", "{}")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for name in ["vae/config.json", "text_encoder/config.json"] {
            assert!(error.message().contains(name), "{error}");
        }
        assert!(!error.message().contains("unet"));
    }

    #[test]
    fn other_families_are_named() {
        for (index, name) in [
            (r#"{"_class_name": "StableDiffusionXLPipeline"}"#, "SDXL"),
            (r#"{"_class_name": "LatentConsistencyModelPipeline"}"#, "LCM"),
            (r#"{"_class_name": "KandinskyPipeline"}"#, "KandinskyPipeline"),
        ] {
            let error = detect(&folder(&[("model_index.json", index)])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(name), "{error}");
        }
        let lcm = ("unet/config.json", r#"{"time_cond_proj_dim": 256}"#);
        let error = detect(&folder(&[&[INDEX, lcm][..], &REST].concat())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.message().contains("time_cond_proj_dim"), "{error}");
    }

    #[test]
    fn a_damaged_index_is_an_error() {
        for text in ["", "[]", r#"{"_class_name": 3}"#] {
            let error = detect(&folder(&[("model_index.json", text)])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        }
    }
}
