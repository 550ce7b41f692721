//! CLIP with gradients.
//!
//! Both towers run over rows: all tokens of a batch are one matrix. Every layer has a
//! forward pass and a backward pass that adds to [`Gradients`]; what is kept between
//! the two is a tape. Layers before the first one that is trained keep nothing, and
//! with gradient checkpointing (arXiv 1604.06174) the others keep only their input.
//!
//! On the host, layers are kernels over `f32` rows whose sums have one fixed order, so
//! results do not depend on the number of threads. On other devices they are made of
//! candle's operations.
//!
//! Tensor names are open_clip's, as everywhere.

mod activation;
mod attention;
mod block;
mod clip;
#[cfg(test)]
mod gradient_tests;
mod host;
mod layer_norm;
mod linear;
mod parameters;
mod patches;
mod product;
mod rows;
mod stack;
mod text;
mod vector;
mod vision;

pub use clip::{ClipModel, FeatureGradients, Features, Inputs, Tape};
pub use parameters::{Gradients, Parameters, squared_norm};
pub(crate) use parameters::{host, host_mut};
pub use text::Tokens;
