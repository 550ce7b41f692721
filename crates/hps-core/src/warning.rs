//! Things that are not errors but that a careful user wants to know.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A remark about one prompt or one image. Scores stay valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Warning {
    /// What the remark is about.
    pub kind: WarningKind,
    /// One sentence with the numbers that matter.
    pub message: String,
}

/// The category of a [`Warning`], written to records in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarningKind {
    /// The prompt has more tokens than the model reads.
    PromptTruncated,
    /// The prompt contains the literal text of a special token.
    SpecialToken,
    /// Most of the prompt is in a script that the model has hardly seen.
    UnfamiliarScript,
    /// The prompt is empty.
    EmptyPrompt,
    /// Transparency was dropped, as Pillow's `convert("RGB")` does.
    AlphaDropped,
    /// Sixteen-bit samples were reduced to eight bits.
    ReducedDepth,
    /// The EXIF orientation was not applied.
    OrientationIgnored,
    /// Only the first frame of an animation was read.
    FirstFrameOnly,
    /// The embedded colour profile was not applied.
    ColorProfileIgnored,
    /// The image has more pixels than is usual; it was read all the same.
    LargeImage,
}

impl Warning {
    /// A new remark.
    pub fn new(kind: WarningKind, message: impl Into<String>) -> Self {
        Warning { kind, message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
