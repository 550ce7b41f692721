//! CLIP: tokenizer, text tower and vision tower.
//!
//! * [`tokenizer`] turns text into token ids, in open_clip's and in Hugging
//!   Face's dialect;
//! * [`TextTower`] and [`VisionTower`] compute features and hidden states of any
//!   layer, for the published shapes (B, L/14, H/14, g/14, bigG/14) and any other;
//! * [`Clip`] holds both, as a reward needs them;
//! * [`ClipConfig`] describes an architecture and reads it from open_clip's or
//!   Hugging Face's configuration, or from the tensors ([`infer_config`]).
//!
//! Tensor names are open_clip's everywhere; `hps-weights` maps other layouts to
//! them. Sources: arXiv 2103.00020 and open_clip's `transformer.py`.

mod block;
mod config;
mod model;
mod tensors;
mod text;
pub mod tokenizer;
mod vision;

pub use config::{ClipConfig, TextConfig, VisionConfig};
pub use model::Clip;
pub use tensors::{Tower, clip_tensors, infer_config, published_heads, text_tensors};
pub use text::{HiddenLayer, TextTower};
pub use vision::VisionTower;
