//! Both towers of one CLIP model.

use candle_core::{Result, Tensor};
use hps_nn::VarBuilder;

use crate::{ClipConfig, TextTower, VisionTower};

/// A CLIP model that embeds pictures and texts into one space.
#[derive(Clone, Debug)]
pub struct Clip {
    vision: VisionTower,
    text: TextTower,
    logit_scale: f32,
}

impl Clip {
    /// Loads all tensors of [`clip_tensors`](crate::clip_tensors).
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    #[tracing::instrument(level = "debug", skip_all, fields(embed_dim = config.embed_dim))]
    pub fn load(config: &ClipConfig, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Clip {
            vision: VisionTower::load(&config.vision, config.embed_dim, vb.pp("visual"))?,
            text: TextTower::load(&config.text, Some(config.embed_dim), vb.clone())?,
            logit_scale: vb.get((), "logit_scale")?.to_scalar::<f32>()?.exp(),
        })
    }

    /// The image tower.
    pub fn vision(&self) -> &VisionTower {
        &self.vision
    }

    /// The text tower.
    pub fn text(&self) -> &TextTower {
        &self.text
    }

    /// The learned temperature: `exp(logit_scale)`, up to 100.
    pub fn logit_scale(&self) -> f32 {
        self.logit_scale
    }

    /// Unit-length image features, one vector of `embed_dim` per picture of
    /// `pixels: [batch, 3, image_size, image_size]`.
    ///
    /// # Errors
    ///
    /// When the pictures have another size.
    pub fn image_features(&self, pixels: &Tensor) -> Result<Vec<Vec<f32>>> {
        normalised(&self.vision.encode(pixels)?)
    }

    /// Unit-length text features, one vector of `embed_dim` per sequence; see
    /// [`TextTower::encode`].
    ///
    /// # Errors
    ///
    /// As [`TextTower::encode`].
    pub fn text_features(&self, ids: &[Vec<u32>], ends: &[usize]) -> Result<Vec<Vec<f32>>> {
        normalised(&self.text.encode(ids, ends)?)
    }
}

/// Each row over its L2 norm, in `f32` with the norm summed in `f64`; a norm
/// below 1e-12 counts as that, as `torch.nn.functional.normalize`.
fn normalised(features: &Tensor) -> Result<Vec<Vec<f32>>> {
    let mut rows = features.to_vec2::<f32>()?;
    for row in &mut rows {
        let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
        let norm = squares.sqrt().max(1e-12);
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    Ok(rows)
}
