//! A picture with what its file says about it.

use hps_core::{Error, ErrorKind, Image, Result, Warning, WarningKind};

use super::failure::truncated;
use super::limits;
use super::orientation::{self, Orientation};
use super::raster::Raster;
use super::sniff::Format;
use super::{DecodeOptions, Decoded};

/// What a format's reader hands over.
pub(super) struct Picture {
    pub(super) raster: Raster,
    pub(super) notes: Notes,
}

/// Facts that lead to warnings or that an option acts on.
#[derive(Default)]
pub(super) struct Notes {
    /// How the viewer should turn the picture.
    pub(super) orientation: Orientation,
    /// The format's reader has turned the picture already.
    pub(super) oriented: bool,
    /// What became of 16-bit samples.
    pub(super) reduced_depth: Option<&'static str>,
    /// There are more frames.
    pub(super) animated: bool,
    /// There is a colour profile other than sRGB.
    pub(super) color_profile: bool,
}

impl Notes {
    /// Whether `profile` is there and asks for something else than sRGB, which
    /// is what every reader takes the samples for.
    pub(super) fn is_foreign_profile(profile: Option<&[u8]>) -> bool {
        let contains = |profile: &[u8], text: &[u8]| profile.windows(text.len()).any(|w| w == text);
        profile.is_some_and(|profile| {
            let head = profile.get(..4096).unwrap_or(profile);
            !profile.is_empty() && !contains(head, b"sRGB") && !contains(head, b"s\0R\0G\0B")
        })
    }
}

impl Picture {
    /// Applies options, collects warnings.
    pub(super) fn finish(self, format: Format, options: &DecodeOptions) -> Result<Decoded> {
        let Picture { mut raster, notes } = self;
        let expected = 3 * raster.width as usize * raster.height as usize;
        if raster.rgb.len() < expected {
            return Err(truncated(format));
        }
        if raster.rgb.len() > expected {
            return Err(Error::new(
                ErrorKind::CorruptImage,
                format!("damaged {format} data: more pixels than the header says"),
            ));
        }
        let warnings = warnings(&raster, &notes, options);
        if options.apply_orientation && !notes.oriented {
            orientation::apply(&mut raster, notes.orientation);
        }
        let image = Image::from_rgb8(raster.width, raster.height, raster.rgb)?;
        Ok(Decoded { image, warnings, format })
    }
}

fn warnings(raster: &Raster, notes: &Notes, options: &DecodeOptions) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |kind, message: &str| warnings.push(Warning::new(kind, message));
    if raster.transparent && options.background.is_none() {
        add(WarningKind::AlphaDropped, "transparent pixels were taken as opaque");
    }
    if let Some(message) = notes.reduced_depth {
        add(WarningKind::ReducedDepth, message);
    }
    let turned = notes.orientation != Orientation::default();
    if turned && !options.apply_orientation && !notes.oriented {
        let value = notes.orientation.value();
        add(WarningKind::OrientationIgnored, &format!("EXIF orientation {value} was not applied"));
    }
    if notes.animated {
        add(WarningKind::FirstFrameOnly, "only the first frame of an animation was read");
    }
    if notes.color_profile {
        add(
            WarningKind::ColorProfileIgnored,
            "samples were taken as sRGB despite a colour profile",
        );
    }
    warnings.extend(limits::remark(raster.width, raster.height));
    warnings
}
