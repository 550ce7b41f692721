//! Loading a model folder.

use candle_core::Device;
use hps_clip::{TextConfig, TextTower};
use hps_core::{Error, ErrorKind, Precision, Result};
use hps_weights::ModelFiles;

use super::defaults::defaults;
use super::family::detect;
use super::model::{Parts, StableDiffusion};
use super::prompts::PromptEncoder;
use super::tokenizer::PromptTokenizer;
use crate::sampler::SchedulerConfig;
use crate::unet::{UNet, UNetConfig};
use crate::vae::{VaeConfig, VaeDecoder};
use crate::weights::load_network;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What the model is called in records.
    pub name: String,
    /// Where it computes.
    pub device: Device,
    /// How exactly it computes.
    pub precision: Precision,
    /// The most latents that go through the network at a time; more are done in
    /// several passes. Guidance counts two for each picture.
    pub max_batch: usize,
}

impl LoadOptions {
    /// The model called `name` on `device` in the default precision, at most 16 latents
    /// at a time.
    pub fn new(name: impl Into<String>, device: Device) -> Self {
        LoadOptions { name: name.into(), device, precision: Precision::default(), max_batch: 16 }
    }
}

/// Names of weights files without ending, as diffusers and transformers write them.
const NETWORK_WEIGHTS: [&str; 1] = ["diffusion_pytorch_model"];
const TEXT_WEIGHTS: [&str; 2] = ["model", "pytorch_model"];

/// CLIP reads 77 tokens. The limit keeps a damaged configuration from asking for
/// all of the memory.
const LONGEST_CONTEXT: usize = 4096;

impl StableDiffusion {
    /// Loads the model folder `files`, in the layout of diffusers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if a file is missing, [`ErrorKind::InvalidConfig`] if
    /// a configuration is wrong or asks for something that is not supported, and
    /// [`ErrorKind::InvalidWeights`] listing the tensors that do not fit.
    pub fn load(files: &ModelFiles, options: LoadOptions) -> Result<Self> {
        let family = detect(files)?;
        let unet_config = UNetConfig::from_json(&files.read_json("unet/config.json")?)?;
        let vae_config = VaeConfig::from_json(&files.read_json("vae/config.json")?)?;
        let text_config = text_config(files)?;
        let scheduler: SchedulerConfig = files.read_json("scheduler/scheduler_config.json")?;
        check_dimensions(&unet_config, &vae_config, &text_config)
            .map_err(|error| error.context(files))?;
        let place = (&options.device, options.precision);
        let tokenizer = PromptTokenizer::load(files, text_config.context_length)?;
        if tokenizer.vocab_size() > text_config.vocab_size {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "{files} has a vocabulary of {} tokens and a text encoder for {}",
                    tokenizer.vocab_size(),
                    text_config.vocab_size
                ),
            )
            .with_hint("The folders tokenizer and text_encoder belong to different models."));
        }
        let tower = load_text_tower(files, &text_config, place)?;
        let defaults = defaults(&unet_config, &scheduler, vae_config.scale());
        Ok(StableDiffusion::new(Parts {
            family,
            prompts: PromptEncoder::new(tokenizer, tower),
            unet: load_unet(files, &unet_config, place)?,
            vae: load_vae(files, &vae_config, place)?,
            latent_channels: unet_config.in_channels,
            scale: vae_config.scale(),
            scheduler,
            defaults,
            options,
        }))
    }
}

fn text_config(files: &ModelFiles) -> Result<TextConfig> {
    let name = "text_encoder/config.json";
    let bytes = files.read(name)?;
    let config = TextConfig::from_hugging_face(&String::from_utf8_lossy(&bytes))
        .map_err(|error| error.context(format!("{name} of {files}")))?;
    if config.context_length > LONGEST_CONTEXT {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{name} of {files}: {} positions are too many", config.context_length),
        ));
    }
    Ok(config)
}

/// The three networks must fit together.
fn check_dimensions(unet: &UNetConfig, vae: &VaeConfig, text: &TextConfig) -> Result<()> {
    let latents = [unet.in_channels, unet.out_channels];
    if latents != [vae.latent_channels; 2] {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "unet/config.json has {} channels in and {} out, vae/config.json {} latent channels",
                unet.in_channels, unet.out_channels, vae.latent_channels
            ),
        )
        .with_hint("Models for inpainting or upscaling take more channels and cannot be run."));
    }
    let differs = |index: usize| unet.cross_attention_dim.get(index) != Some(text.width);
    if (0..unet.blocks()).any(differs) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "unet/config.json has a cross_attention_dim other than the text encoder's {}",
                text.width
            ),
        )
        .with_hint("The folders unet and text_encoder belong to different models."));
    }
    Ok(())
}

/// The device and the precision of a network.
type Place<'a> = (&'a Device, Precision);

fn load_text_tower(files: &ModelFiles, config: &TextConfig, place: Place<'_>) -> Result<TextTower> {
    let name = files.find_weights("text_encoder", &TEXT_WEIGHTS)?;
    let checkpoint = files.checkpoint(&name)?.canonical()?;
    // Some files hold a projection or constants that no picture depends on.
    load_network(&checkpoint, place, |_| true, |vb| TextTower::load(config, None, vb))
}

fn load_unet(files: &ModelFiles, config: &UNetConfig, place: Place<'_>) -> Result<UNet> {
    let checkpoint = files.checkpoint(&files.find_weights("unet", &NETWORK_WEIGHTS)?)?;
    load_network(&checkpoint, place, |_| false, |vb| UNet::load(config, vb))
}

fn load_vae(files: &ModelFiles, config: &VaeConfig, place: Place<'_>) -> Result<VaeDecoder> {
    let checkpoint = files.checkpoint(&files.find_weights("vae", &NETWORK_WEIGHTS)?)?;
    let encoder = |name: &str| name.starts_with("encoder.") || name.starts_with("quant_conv.");
    load_network(&checkpoint, place, encoder, |vb| VaeDecoder::load(config, vb))
}
