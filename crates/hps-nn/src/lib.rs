//! Neural-network layers for hps-loop.
//!
//! Layers work on candle tensors and load from a [`VarBuilder`], one layer a
//! file, with PyTorch's names, shapes and formulas.
//!
//! # Results do not depend on the batch
//!
//! On the CPU every item of the leading (batch) dimension is computed by the
//! same sequence of operations on the same shapes, whatever else is in the
//! batch. A layer never lets the batch size choose a matrix kernel, so a row is
//! bit-identical alone, in any batch, at any place and with any thread count.
//!
//! # Precision
//!
//! Everything is `f32`; sums of norms are accumulated in `f64`.

mod activation;
mod attention;
mod conv2d;
mod device;
mod embedding;
mod error;
mod group_norm;
mod layer_norm;
mod linear;
mod matmul;
mod rows;

pub use activation::Activation;
pub use attention::{causal_mask, merge_heads, scaled_dot_product_attention, split_heads};
pub use conv2d::{Conv2d, Conv2dConfig};
pub use device::{kernel_name, open_device};
pub use embedding::Embedding;
pub use error::model_error;
pub use group_norm::GroupNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;

pub use candle_core::Device;
pub use candle_nn::var_builder::SimpleBackend;
pub use candle_nn::{Init, VarBuilder};
