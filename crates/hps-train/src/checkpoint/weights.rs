//! Weights in the published layout.

use std::path::Path;

use hps_core::Result;
use serde::{Deserialize, Serialize};

use super::tensor_file::{self, Content};
use crate::durable;
use crate::model::Parameters;

/// The type of numbers in a weights file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightsFormat {
    /// Half floats, as HPS v2 is published.
    #[default]
    F16,
    /// Floats, as they are trained.
    F32,
}

/// Writes all tensors under open_clip's names, replacing `path` at once. `open_clip`,
/// `hpsv2` and this project's rewards read the file as it is.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Io`] when the file cannot be written,
/// [`hps_core::ErrorKind::NotFinite`] when `f16` cannot hold a value.
pub fn write_weights(path: &Path, parameters: &Parameters, format: WeightsFormat) -> Result<()> {
    let entries: Vec<_> = parameters
        .iter()
        .map(|(name, tensor)| {
            let content = match format {
                WeightsFormat::F16 => Content::F16(tensor),
                WeightsFormat::F32 => Content::F32(tensor),
            };
            (name.to_owned(), content)
        })
        .collect();
    durable::replace(path, |file| tensor_file::write(file, &[("format", "pt")], &entries))
}
