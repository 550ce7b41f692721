//! Which rewards exist and what sets them apart.

use std::fmt;
use std::str::FromStr;

use hps_clip::ClipConfig;
use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use serde::{Deserialize, Serialize};

/// A reward by its id.
///
/// Scores of different rewards, and of the two HPS versions, are never ranked
/// together: they come from different models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum RewardKind {
    /// `hps-v2.0`: HPS v2 as published with the paper.
    HpsV20,
    /// `hps-v2.1`: the retrained model of the same architecture.
    HpsV21,
    /// `clip-score`: cosine under OpenAI's CLIP ViT-L/14.
    ClipScore,
    /// `pickscore`: a CLIP ViT-H/14 fine-tuned on Pick-a-Pic, times its
    /// temperature, about 16 to 26.
    PickScore,
    /// `aesthetic`: the LAION predictor on CLIP ViT-L/14 image features, about 1
    /// to 10. Ignores the prompt.
    Aesthetic,
    /// `demo`: the bundled untrained model. Its scores mean nothing.
    Demo,
}

/// How pictures become pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// Long side to size, black padding ([`crate::preprocess::longest_side`]).
    LongestSide,
    /// Short side to size, centre crop ([`crate::preprocess::clip`]).
    Clip,
}

/// How features become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// Cosine of image and text features.
    Cosine,
    /// The cosine times `exp(logit_scale)`.
    ScaledCosine,
    /// A linear head on the image features.
    Head,
}

impl RewardKind {
    /// Every reward.
    pub const ALL: [RewardKind; 6] = [
        RewardKind::HpsV20,
        RewardKind::HpsV21,
        RewardKind::ClipScore,
        RewardKind::PickScore,
        RewardKind::Aesthetic,
        RewardKind::Demo,
    ];

    /// The id used in records, options and `--weights`.
    pub fn id(self) -> &'static str {
        match self {
            RewardKind::HpsV20 => "hps-v2.0",
            RewardKind::HpsV21 => "hps-v2.1",
            RewardKind::ClipScore => "clip-score",
            RewardKind::PickScore => "pickscore",
            RewardKind::Aesthetic => "aesthetic",
            RewardKind::Demo => "demo",
        }
    }

    /// Whether the score depends on the prompt.
    pub fn reads_prompt(self) -> bool {
        self != RewardKind::Aesthetic
    }

    /// The architecture of the published weights; `None` for the demo model,
    /// which carries its own.
    pub fn published_config(self) -> Option<ClipConfig> {
        match self {
            RewardKind::HpsV20 | RewardKind::HpsV21 | RewardKind::PickScore => {
                Some(ClipConfig::vit_h_14())
            }
            RewardKind::ClipScore | RewardKind::Aesthetic => Some(ClipConfig::vit_l_14()),
            RewardKind::Demo => None,
        }
    }

    /// The activation where neither a configuration nor the tensors tell.
    pub(crate) fn activation(self) -> Activation {
        match self {
            RewardKind::ClipScore | RewardKind::Aesthetic => Activation::QuickGelu,
            _ => Activation::Gelu,
        }
    }

    pub(crate) fn recipe(self) -> Recipe {
        match self {
            RewardKind::HpsV20 | RewardKind::HpsV21 | RewardKind::Demo => Recipe::LongestSide,
            RewardKind::ClipScore | RewardKind::PickScore | RewardKind::Aesthetic => Recipe::Clip,
        }
    }

    pub(crate) fn formula(self) -> Formula {
        match self {
            RewardKind::PickScore => Formula::ScaledCosine,
            RewardKind::Aesthetic => Formula::Head,
            _ => Formula::Cosine,
        }
    }
}

impl fmt::Display for RewardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for RewardKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        RewardKind::ALL.into_iter().find(|kind| kind.id() == text).ok_or_else(|| {
            let ids = RewardKind::ALL.map(RewardKind::id).join(", ");
            let hint = match text {
                "hps" | "hps-v2" | "hpsv2" | "hps_v2.1" | "hps_v2.0" => {
                    "There is no default between hps-v2.0 and hps-v2.1: their scores do not \
                     compare. Name one of them."
                        .to_owned()
                }
                _ => format!("Rewards are: {ids}."),
            };
            Error::new(ErrorKind::InvalidConfig, format!("unknown reward '{text}'")).with_hint(hint)
        })
    }
}

impl TryFrom<String> for RewardKind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<RewardKind> for String {
    fn from(kind: RewardKind) -> String {
        kind.id().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        for kind in RewardKind::ALL {
            assert_eq!(kind.id().parse::<RewardKind>().ok(), Some(kind));
        }
    }

    #[test]
    fn there_is_no_default_version() {
        let error = "hps-v2".parse::<RewardKind>().expect_err("ambiguous");
        assert!(error.hint().is_some_and(|hint| hint.contains("Name one")));
    }
}
