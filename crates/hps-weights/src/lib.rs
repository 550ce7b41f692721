//! Find, verify, map and name model weights.
//!
//! * [`ModelRef`]: what a user types to name a model;
//! * [`ModelFiles`]: a model's files, in a folder or built into the program;
//! * [`Checkpoint`]: one weights file as named tensors, whatever its format and layout;
//! * [`digest`]: SHA-256 of files and folders, cached, in the background;
//! * [`registry`]: the models known by name;
//! * `hub` (feature `hub`): downloads.
//!
//! # Untrusted files
//!
//! Weights come from strangers. Nothing in a file is ever executed; a pickle that names code is an
//! error that says which. Memory is bounded by the file's size, every offset is checked, and files
//! that were cut short are reported with what is missing.
//!
//! # Memory
//!
//! Files are mapped, not read. Loading a tensor converts it straight from the map into one buffer
//! of `f32` and hands the pages back, so loading a model peaks near the size of its `f32` weights.

mod checkpoint;
pub mod digest;
mod files;
mod format;
#[cfg(feature = "hub")]
pub mod hub;
mod invalid;
mod mmap;
mod names;
mod pickle;
mod reference;
pub mod registry;
mod safetensors_header;
mod source;
mod torch_zip;
mod zip;

pub use checkpoint::{Checkpoint, TensorInfo, TensorSpec};
pub use files::ModelFiles;
pub use format::Format;
pub use names::{Layout, Naming};
pub use reference::ModelRef;
pub use safetensors::Dtype;
pub use source::MemoryBytes;
