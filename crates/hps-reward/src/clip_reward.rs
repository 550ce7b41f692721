//! Rewards that are a CLIP underneath.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use hps_clip::tokenizer::Tokenizer;
use hps_clip::{Clip, ClipConfig, clip_tensors, infer_config};
use hps_core::{
    Error, ErrorKind, Image, Precision, Prepared, PreparedPair, Prompt, Result, Reward, RewardInfo,
    Score, Warning,
};
use hps_nn::{kernel_name, model_error};
use hps_weights::Checkpoint;

use crate::RewardKind;
use crate::head::AestheticHead;
use crate::kind::{Formula, Recipe};
use crate::preprocess::{Pixels, ResizePolicy, clip, longest_side};
use crate::text_cache::TextCache;

/// Prompts whose embeddings are kept; 4 KiB each for ViT-H/14.
const CACHED_PROMPTS: usize = 8192;

/// Pictures that run through the tower at a time: bounds memory, changes no score.
const PICTURES_PER_PASS: usize = 8;

/// Tensors that some files carry and no computation needs.
const IGNORED: &[&str] = &["position_ids", "attn_mask", "epoch"];

/// The files a reward is made from.
#[derive(Clone, Debug)]
pub struct RewardWeights {
    /// The CLIP model, in any layout that [`Checkpoint`] knows.
    pub clip: Checkpoint,
    /// The architecture; `None` reads it from the tensors and the table of
    /// published models.
    pub config: Option<ClipConfig>,
    /// The aesthetic predictor's head; other rewards have none.
    pub head: Option<Checkpoint>,
}

impl RewardWeights {
    /// Compares all tensors with the architecture, without loading them. Returns
    /// those of the CLIP by open_clip's names, and its architecture.
    ///
    /// # Errors
    ///
    /// As [`ClipReward::load`].
    pub fn check(&self, kind: RewardKind) -> Result<(Checkpoint, ClipConfig)> {
        let checkpoint = self.clip.canonical()?;
        let config = architecture(kind, &checkpoint, self.config.as_ref())
            .map_err(|error| error.context(format!("reward {kind}")))?;
        let fits = checkpoint.check(&clip_tensors(&config), IGNORED);
        fits.map_err(|error| error.context(format!("weights for {kind}")))?;
        if let Some(head) = self.head(kind)? {
            AestheticHead::check(&head, config.embed_dim)?;
        }
        Ok((checkpoint, config))
    }

    /// The head, if `kind` has one.
    fn head(&self, kind: RewardKind) -> Result<Option<Checkpoint>> {
        match (kind.formula(), &self.head) {
            (Formula::Head, Some(head)) => head.canonical().map(Some),
            (Formula::Head, None) => {
                let message = format!("reward {kind} needs its head besides a CLIP model");
                Err(Error::new(ErrorKind::InvalidConfig, message)
                    .with_hint("Set `RewardWeights::head` to the aesthetic predictor's weights."))
            }
            _ => Ok(None),
        }
    }
}

/// How a reward computes.
#[derive(Clone, Debug)]
pub struct RewardOptions {
    /// The resize policy of the HPS rewards; the others have one recipe only.
    pub policy: ResizePolicy,
    /// The arithmetic.
    pub precision: Precision,
    /// Where the model runs.
    pub device: Device,
}

impl Default for RewardOptions {
    fn default() -> Self {
        RewardOptions {
            policy: ResizePolicy::default(),
            precision: Precision::default(),
            device: Device::Cpu,
        }
    }
}

/// A reward that embeds picture and prompt with CLIP.
///
/// The model is loaded once and stays; prompt embeddings are cached. Features
/// are normalised in `f32` and the dot product is summed in `f64`.
#[derive(Debug)]
pub struct ClipReward {
    kind: RewardKind,
    clip: Clip,
    head: Option<AestheticHead>,
    tokenizer: Tokenizer,
    options: RewardOptions,
    texts: Mutex<TextCache>,
}

impl ClipReward {
    /// Loads the reward `kind`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidWeights`] when the tensors do not fit, naming the first
    /// missing, surplus and misshaped ones; [`ErrorKind::InvalidConfig`] when the
    /// architecture cannot be told from the tensors, or the head is not given.
    pub fn load(kind: RewardKind, weights: &RewardWeights, options: RewardOptions) -> Result<Self> {
        let (checkpoint, config) = weights.check(kind)?;
        let clip = Clip::load(&config, checkpoint.var_builder(&options.device, options.precision))
            .map_err(model_error)?;
        let head = match weights.head(kind)? {
            Some(head) => Some(AestheticHead::load(&head, config.embed_dim, &options.device)?),
            None => None,
        };
        let tokenizer = match kind.recipe() {
            Recipe::LongestSide => Tokenizer::open_clip(),
            // The padding never reaches the features: attention is causal.
            Recipe::Clip => Tokenizer::hugging_face(0)?,
        };
        let tokenizer = tokenizer.with_context_length(config.text.context_length)?;
        let texts = Mutex::new(TextCache::new(CACHED_PROMPTS));
        Ok(ClipReward { kind, clip, head, tokenizer, options, texts })
    }

    /// Which reward this is.
    pub fn kind(&self) -> RewardKind {
        self.kind
    }

    /// The CLIP model underneath.
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Turns a prompt into tokens as this reward reads it.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Unit-length features of prepared pictures, `embed_dim` each.
    ///
    /// # Errors
    ///
    /// When the forward pass fails.
    pub fn image_features(&self, images: &[&Pixels]) -> Result<Vec<Vec<f32>>> {
        let size = self.clip.vision().config().image_size;
        if let Some(wrong) = images.iter().find(|pixels| pixels.size != size) {
            let message = format!("a picture was prepared at {} pixels, not {size}", wrong.size);
            return Err(Error::new(ErrorKind::Model, message));
        }
        let data: Vec<f32> = images.iter().flat_map(|pixels| &pixels.data).copied().collect();
        Tensor::from_vec(data, (images.len(), 3, size, size), &self.options.device)
            .and_then(|pixels| self.clip.image_features(&pixels))
            .map_err(model_error)
    }

    /// Unit-length features of prompts, `embed_dim` each, from the cache where
    /// they are there.
    ///
    /// # Errors
    ///
    /// When the forward pass fails.
    pub fn text_features(&self, prompts: &[&Prompt]) -> Result<Vec<Arc<[f32]>>> {
        let mut cache = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut features: Vec<Option<Arc<[f32]>>> = prompts.iter().map(|p| cache.get(p)).collect();
        let mut missing: Vec<&Prompt> = Vec::new();
        for (prompt, known) in prompts.iter().zip(&features) {
            if known.is_none() && !missing.contains(prompt) {
                missing.push(prompt);
            }
        }
        if !missing.is_empty() {
            let encodings: Vec<_> =
                missing.iter().map(|prompt| self.tokenizer.encode(prompt.as_str())).collect();
            let ends: Vec<usize> = encodings.iter().map(|encoding| encoding.end).collect();
            let ids: Vec<Vec<u32>> = encodings.into_iter().map(|encoding| encoding.ids).collect();
            let rows = self.clip.text_features(&ids, &ends).map_err(model_error)?;
            tracing::debug!(reward = %self.kind, prompts = missing.len(), "embedded prompts");
            for (index, row) in rows.into_iter().enumerate() {
                let row: Arc<[f32]> = row.into();
                cache.insert(missing[index], row.clone());
                for (slot, prompt) in features.iter_mut().zip(prompts) {
                    if *prompt == missing[index] {
                        *slot = Some(row.clone());
                    }
                }
            }
        }
        let lost = || Error::new(ErrorKind::Model, "the text tower returned too few rows");
        features.into_iter().map(|row| row.ok_or_else(lost)).collect()
    }

    fn score_features(&self, image: &[f32], text: Option<&[f32]>) -> Result<Score> {
        let value = match (&self.head, text) {
            (Some(head), _) => head.forward(image, &self.options.device)?,
            (None, Some(text)) => {
                let cosine = dot(image, text);
                match self.kind.formula() {
                    Formula::ScaledCosine => cosine * self.clip.logit_scale(),
                    _ => cosine,
                }
            }
            (None, None) => {
                return Err(Error::new(ErrorKind::Model, "the prompt was not embedded"));
            }
        };
        Score::new(value)
    }

    fn score_batch(&self, batch: &[PreparedPair<'_>]) -> Result<Vec<Result<Score>>> {
        // One picture may stand beside many prompts: it runs through the tower once.
        let mut images: Vec<&Pixels> = Vec::new();
        let mut places: HashMap<*const Pixels, usize> = HashMap::new();
        let mut rows = Vec::with_capacity(batch.len());
        for pair in batch {
            let pixels: &Pixels = pair.image.downcast_ref()?;
            rows.push(*places.entry(pixels).or_insert(images.len()));
            if places.len() > images.len() {
                images.push(pixels);
            }
        }
        let prompts: Vec<&Prompt> = batch.iter().map(|pair| pair.prompt).collect();
        let texts = match self.kind.reads_prompt() {
            true => Some(self.text_features(&prompts)?),
            false => None,
        };
        let mut features = Vec::with_capacity(images.len());
        for images in images.chunks(PICTURES_PER_PASS) {
            tracing::trace!(reward = %self.kind, pictures = images.len(), "vision tower");
            features.extend(self.image_features(images)?);
        }
        let score = |(index, row): (usize, usize)| {
            self.score_features(&features[row], texts.as_ref().map(|texts| &*texts[index]))
        };
        Ok(rows.into_iter().enumerate().map(score).collect())
    }
}

impl Reward for ClipReward {
    fn info(&self) -> RewardInfo {
        let preprocess = match self.kind.recipe() {
            Recipe::LongestSide => self.options.policy.as_str(),
            Recipe::Clip => "clip",
        };
        RewardInfo {
            id: self.kind.id().to_owned(),
            weights_sha256: None,
            preprocess: preprocess.to_owned(),
            precision: self.options.precision,
            kernel: kernel_name(&self.options.device).to_owned(),
        }
    }

    fn display_factor(&self) -> f32 {
        match self.kind.formula() {
            Formula::Cosine => 100.0,
            Formula::ScaledCosine | Formula::Head => 1.0,
        }
    }

    fn prepare(&self, image: &Image) -> Result<Prepared> {
        let size = self.clip.vision().config().image_size;
        Ok(Prepared::new(match self.kind.recipe() {
            Recipe::LongestSide => longest_side(image, size, self.options.policy),
            Recipe::Clip => clip(image, size),
        }))
    }

    fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
        if batch.is_empty() {
            return Vec::new();
        }
        match self.score_batch(batch) {
            Ok(scores) => scores,
            Err(_) if batch.len() > 1 => {
                // Find out which pair it was, so that the others keep their scores.
                batch.iter().flat_map(|pair| self.score_prepared(&[*pair])).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    fn check_prompt(&self, prompt: &Prompt) -> Vec<Warning> {
        match self.kind.reads_prompt() {
            true => self.tokenizer.check(prompt.as_str()),
            false => Vec::new(),
        }
    }
}

fn architecture(
    kind: RewardKind,
    checkpoint: &Checkpoint,
    given: Option<&ClipConfig>,
) -> Result<ClipConfig> {
    if let Some(config) = given {
        return Ok(config.clone());
    }
    // Checking against the published architecture gives the better message when
    // somebody hands over another CLIP: the tensors that differ, by name.
    match kind.published_config() {
        Some(config) => Ok(config),
        None => infer_config(
            |name| checkpoint.info(name).map(|info| info.shape.clone()),
            kind.activation(),
        ),
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
}
