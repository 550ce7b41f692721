//! What a diffusion model predicts.

use serde::{Deserialize, Serialize};

/// The meaning of a model's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise.
    Epsilon,
    /// The velocity of arXiv:2202.00512.
    VPrediction,
    /// The finished latents.
    Sample,
}
