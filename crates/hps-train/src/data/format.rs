//! The formats of preference data.

use std::fmt;
use std::str::FromStr;

use hps_core::{Error, ErrorKind};
use serde::Serialize;

/// Which keys an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// HPD v2's `train.json`: `file_path` and `human_preference`.
    HpdTrain,
    /// HPD v2's `test.json`: `image_path`, `rank` and `raw_annotations`.
    HpdTest,
    /// ImageReward's `test.json`: `generations` and `ranking`.
    ImageReward,
    /// Our own: `images` with `label` or `rank`.
    Plain,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 4] =
        [Format::HpdTrain, Format::HpdTest, Format::ImageReward, Format::Plain];

    /// The name used in options and reports.
    pub fn id(self) -> &'static str {
        match self {
            Format::HpdTrain => "hpd-train",
            Format::HpdTest => "hpd-test",
            Format::ImageReward => "image-reward",
            Format::Plain => "plain",
        }
    }

    /// The key of the pictures.
    pub(super) fn images_key(self) -> &'static str {
        match self {
            Format::HpdTrain => "file_path",
            Format::HpdTest => "image_path",
            Format::ImageReward => "generations",
            Format::Plain => "images",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Format::ALL.into_iter().find(|format| format.id() == text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("unknown data format '{text}'"))
                .with_hint("The formats are hpd-train, hpd-test, image-reward and plain.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().ok(), Some(format));
        }
        assert!("csv".parse::<Format>().is_err());
    }
}
