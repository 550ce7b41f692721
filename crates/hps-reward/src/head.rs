//! The LAION aesthetic predictor's head.
//!
//! Five linear layers without activations between them (dropout does nothing at
//! inference): 768 → 1024 → 128 → 64 → 16 → 1 for CLIP ViT-L/14. Source:
//! `simple_inference.py` of improved-aesthetic-predictor.

use candle_core::{Device, Tensor};
use hps_core::{Error, ErrorKind, Result};
use hps_nn::{Linear, model_error};
use hps_weights::Checkpoint;

/// Positions of the linear layers in the `torch.nn.Sequential` of the source.
const LAYERS: [usize; 5] = [0, 2, 4, 6, 7];

/// Maps unit-length image features to an aesthetic score.
#[derive(Clone, Debug)]
pub(crate) struct AestheticHead {
    layers: Vec<Linear>,
}

impl AestheticHead {
    /// Loads `layers.{0,2,4,6,7}.{weight,bias}`; the first takes `embed_dim`
    /// features and the last gives one number.
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        embed_dim: usize,
        device: &Device,
    ) -> Result<AestheticHead> {
        let vb = checkpoint.var_builder(device);
        let mut width = embed_dim;
        let mut layers = Vec::with_capacity(LAYERS.len());
        for (position, index) in LAYERS.into_iter().enumerate() {
            let name = format!("layers.{index}");
            let out = if position + 1 == LAYERS.len() { 1 } else { rows(checkpoint, &name)? };
            let layer = Linear::load(width, out, vb.pp(&name)).map_err(|error| {
                Error::new(ErrorKind::InvalidWeights, error.to_string()).context(checkpoint.name())
            })?;
            layers.push(layer);
            width = out;
        }
        Ok(AestheticHead { layers })
    }

    /// One score per row of unit-length `features`.
    pub(crate) fn forward(&self, features: &[f32], device: &Device) -> Result<f32> {
        let mut xs =
            Tensor::from_slice(features, (1, features.len()), device).map_err(model_error)?;
        for layer in &self.layers {
            xs = layer.forward(&xs).map_err(model_error)?;
        }
        xs.flatten_all().and_then(|xs| xs.get(0)?.to_scalar()).map_err(model_error)
    }
}

fn rows(checkpoint: &Checkpoint, layer: &str) -> Result<usize> {
    let name = format!("{layer}.weight");
    match checkpoint.info(&name).map(|info| &info.shape[..]) {
        Some([rows, _]) => Ok(*rows),
        _ => Err(Error::new(
            ErrorKind::InvalidWeights,
            format!("{}: no matrix '{name}'", checkpoint.name()),
        )
        .with_hint("The aesthetic head is the file sac+logos+ava1-l14-linearMSE.pth.")),
    }
}
