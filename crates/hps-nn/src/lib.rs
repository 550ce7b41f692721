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
//! Tensors are `f32`. Products of linear layers and convolutions compute in the
//! [`Precision`](hps_core::Precision) that a layer was loaded with, in whatever way the
//! [`Kernel`] of the processor does that; everything else is `f32`, with the means of norms
//! accumulated in `f64`.

mod activation;
mod attention;
mod conv2d;
mod device;
mod embedding;
mod error;
mod geglu;
mod group_norm;
mod kernel;
mod layer_norm;
mod linear;
mod moments;
mod rows;
mod var_builder;

pub use activation::Activation;
pub use attention::{Mask, attention};
pub use conv2d::{Conv2d, Conv2dConfig};
pub use device::{kernel_name, open_device};
pub use embedding::Embedding;
pub use error::model_error;
pub use geglu::Geglu;
pub use group_norm::GroupNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;

pub use kernel::{Kernel, KernelChoice, kernel, peak_flops};
pub use var_builder::{TensorSource, VarBuilder};

pub use candle_core::Device;
