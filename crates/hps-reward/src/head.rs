//! The LAION aesthetic predictor's head.
//!
//! Five linear layers without activations between them (dropout does nothing at
//! inference): 768 → 1024 → 128 → 64 → 16 → 1 for CLIP ViT-L/14. Source:
//! `simple_inference.py` of improved-aesthetic-predictor.

use candle_core::{Device, Tensor};
use hps_core::{Precision, Result};
use hps_nn::{Linear, model_error};
use hps_weights::{Checkpoint, TensorSpec};

/// The linear layers: their positions in the `torch.nn.Sequential` of the source
/// and their published output widths.
const LAYERS: [(usize, usize); 5] = [(0, 1024), (2, 128), (4, 64), (6, 16), (7, 1)];

/// Maps unit-length image features to an aesthetic score.
#[derive(Clone, Debug)]
pub(crate) struct AestheticHead {
    layers: Vec<Linear>,
}

impl AestheticHead {
    /// Compares the tensors with `layers.{0,2,4,6,7}.{weight,bias}`, without
    /// loading them: the first layer takes `embed_dim` features, each takes what
    /// the one before gives, and the last gives one number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidWeights`](hps_core::ErrorKind::InvalidWeights) naming
    /// the missing, misshaped and surplus tensors: other heads of the same family
    /// have activations or other layers, so their scores would be wrong.
    pub(crate) fn check(checkpoint: &Checkpoint, embed_dim: usize) -> Result<()> {
        let mut specs = Vec::with_capacity(2 * LAYERS.len());
        for layer in layers(checkpoint, embed_dim) {
            let Layer { name, input, output } = layer;
            specs.push(TensorSpec::new(format!("{name}.weight"), [output, input]));
            specs.push(TensorSpec::new(format!("{name}.bias"), [output]));
        }
        checkpoint.check(&specs, &[]).map_err(|error| {
            error.context("aesthetic head").with_hint(
                "The head is the file sac+logos+ava1-l14-linearMSE.pth, for the 768 image features \
                 of CLIP ViT-L/14.",
            )
        })
    }

    /// Loads the tensors of [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        embed_dim: usize,
        device: &Device,
    ) -> Result<AestheticHead> {
        AestheticHead::check(checkpoint, embed_dim)?;
        let vb = checkpoint.var_builder(device, Precision::F32);
        let layers = layers(checkpoint, embed_dim)
            .into_iter()
            .map(|layer| Linear::load(layer.input, layer.output, vb.pp(&layer.name)))
            .collect::<candle_core::Result<_>>()
            .map_err(model_error)?;
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

struct Layer {
    name: String,
    input: usize,
    output: usize,
}

/// The layers with the hidden widths that the file has, or the published ones
/// where it does not tell.
fn layers(checkpoint: &Checkpoint, embed_dim: usize) -> Vec<Layer> {
    let mut input = embed_dim;
    let layer = |(index, published): (usize, usize)| {
        let name = format!("layers.{index}");
        let shape = checkpoint.info(&format!("{name}.weight")).map(|info| &info.shape[..]);
        let output = match shape {
            Some([rows, _]) if published > 1 => *rows,
            _ => published,
        };
        Layer { name, input: std::mem::replace(&mut input, output), output }
    };
    LAYERS.into_iter().map(layer).collect()
}
