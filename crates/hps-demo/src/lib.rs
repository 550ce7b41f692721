//! The bundled demo models, as bytes.
//!
//! Two tiny models with **made-up weights: they are not trained**. They run the
//! real code at once on a fresh machine, without a download; their pictures and
//! scores mean nothing. `scripts/make_untrained_demo.py` makes them.
//!
//! Each function returns the files of a model folder by relative path.

/// A file of a bundled model: its path within the model folder, and its bytes.
pub type BundledFile = (&'static str, &'static [u8]);

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../models/", $folder, "/", $path)))),+]
    };
}

/// A Stable Diffusion 1.x in the diffusers layout that draws 64×64 pixels.
/// Its tokenizer is the standard CLIP vocabulary, which it does not carry.
pub fn generator() -> &'static [BundledFile] {
    files!(
        "generator": "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    )
}

/// A CLIP that reads 64×64 pixels, in open_clip's names and configuration.
pub fn reward() -> &'static [BundledFile] {
    files!("reward": "open_clip_config.json", "model.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_fits_a_registry_package() {
        let total: usize = generator().iter().chain(reward()).map(|(_, bytes)| bytes.len()).sum();
        assert!(total < 9_500_000, "{total} bytes");
    }

    #[test]
    fn no_file_is_listed_twice_or_empty() {
        for files in [generator(), reward()] {
            let names: std::collections::BTreeSet<_> = files.iter().map(|(path, _)| path).collect();
            assert_eq!(names.len(), files.len());
            assert!(files.iter().all(|(_, bytes)| !bytes.is_empty()));
        }
    }
}
