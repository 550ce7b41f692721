//! Both towers together.

use candle_core::{Device, Result, Tensor};
use hps_clip::ClipConfig;

use super::parameters::{Gradients, Id, Parameters};
use super::stack::Keep;
use super::text::{TextTape, TextTower, Tokens};
use super::vision::{VisionTape, VisionTower};

/// The layers of a CLIP model; their tensors are [`Parameters`].
#[derive(Clone, Debug)]
pub struct ClipModel {
    config: ClipConfig,
    vision: VisionTower,
    text: TextTower,
    logit_scale: Id,
}

/// What the towers read.
#[derive(Clone, Debug, Default)]
pub struct Inputs<'a> {
    /// Pictures of `3 * image_size * image_size` values each: channel, row, column.
    pub pictures: Vec<&'a [f32]>,
    /// Prompts.
    pub prompts: Vec<Tokens<'a>>,
}

/// Features as rows of `embed_dim` values, not normalised.
#[derive(Clone, Debug)]
pub struct Features {
    /// One row per picture.
    pub images: Vec<Vec<f32>>,
    /// One row per prompt.
    pub texts: Vec<Vec<f32>>,
}

/// Gradients of a loss.
#[derive(Clone, Debug)]
pub struct FeatureGradients {
    /// That of [`Features::images`].
    pub images: Vec<Vec<f32>>,
    /// That of [`Features::texts`].
    pub texts: Vec<Vec<f32>>,
    /// That of the logarithm of the temperature's inverse, `logit_scale`.
    pub logit_scale: f64,
}

/// What the backward pass needs.
pub struct Tape {
    vision: VisionTape,
    text: TextTape,
}

impl ClipModel {
    /// The layers of `config` over `parameters`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing.
    pub fn new(config: &ClipConfig, parameters: &Parameters) -> Result<Self> {
        Ok(ClipModel {
            config: config.clone(),
            vision: VisionTower::new(parameters, &config.vision)?,
            text: TextTower::new(parameters, &config.text)?,
            logit_scale: parameters.id("logit_scale")?,
        })
    }

    /// The architecture.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// The logarithm of what cosines are multiplied with.
    ///
    /// # Errors
    ///
    /// When the value cannot be read.
    pub fn logit_scale(&self, parameters: &Parameters) -> Result<f32> {
        parameters.value(self.logit_scale).to_scalar()
    }

    /// Features of pictures and prompts, and what [`backward`](Self::backward) needs.
    ///
    /// With `checkpointing` the tape is small, and the backward pass runs every
    /// trained block a second time.
    ///
    /// # Errors
    ///
    /// When a picture has another size or a prompt does not fit the text tower.
    pub fn forward(
        &self,
        parameters: &Parameters,
        inputs: &Inputs<'_>,
        checkpointing: bool,
    ) -> Result<(Features, Tape)> {
        let keep = if checkpointing { Keep::Inputs } else { Keep::Everything };
        let (images, vision) = self.vision.forward(parameters, &inputs.pictures, keep)?;
        let (texts, text) = self.text.forward(parameters, &inputs.prompts, keep)?;
        let features = Features { images: images.to_vec2()?, texts: texts.to_vec2()? };
        Ok((features, Tape { vision, text }))
    }

    /// Features of pictures alone, without what a backward pass needs.
    ///
    /// # Errors
    ///
    /// When a picture has another size.
    pub fn images(&self, parameters: &Parameters, pictures: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        self.vision.forward(parameters, pictures, Keep::Nothing)?.0.to_vec2()
    }

    /// Features of prompts alone, without what a backward pass needs.
    ///
    /// # Errors
    ///
    /// When a prompt does not fit the text tower.
    pub fn texts(&self, parameters: &Parameters, prompts: &[Tokens<'_>]) -> Result<Vec<Vec<f32>>> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        self.text.forward(parameters, prompts, Keep::Nothing)?.0.to_vec2()
    }

    /// Adds the gradients of the parameters, where `d` is that of the features that
    /// [`forward`](Self::forward) gave with `tape`.
    ///
    /// # Errors
    ///
    /// When `d` has another shape than those features.
    pub fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        tape: Tape,
        d: &FeatureGradients,
    ) -> Result<()> {
        let device = parameters.device();
        if self.vision.is_trainable(parameters) {
            let d = matrix(&d.images, device)?;
            self.vision.backward(parameters, gradients, tape.vision, &d)?;
        }
        if self.text.is_trainable(parameters) {
            let d = matrix(&d.texts, device)?;
            self.text.backward(parameters, gradients, tape.text, &d)?;
        }
        gradients.add(self.logit_scale, Tensor::new(d.logit_scale as f32, device)?)
    }
}

fn matrix(rows: &[Vec<f32>], device: &Device) -> Result<Tensor> {
    let columns = rows.first().map_or(0, Vec::len);
    Tensor::from_vec(rows.concat(), (rows.len(), columns), device)
}
