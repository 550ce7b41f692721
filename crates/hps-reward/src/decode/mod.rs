//! Reads image files the way Pillow's `Image.open(path).convert("RGB")` does.
//!
//! The HPS v2 scores that are published were made from pictures that Pillow
//! read, so its habits are part of the score: transparency is dropped rather
//! than blended, colour profiles and EXIF orientation are ignored, 16-bit grey
//! saturates. [`DecodeOptions`] turns the saner alternatives on; every habit that
//! changed something is reported as a [`Warning`].
//!
//! The content decides the format, never the file's name. No picture with more
//! than [`MAX_PIXELS`] pixels is read, and its size is known from its header
//! before memory for it is asked for.

mod cmyk;
mod exif;
mod failure;
mod file;
mod gif;
mod jpeg;
mod limits;
mod orientation;
mod picture;
mod png;
mod raster;
mod simple;
mod sniff;
mod tiff;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hps_core::{Error, ErrorKind, Image, Result, Warning};

pub use file::{decode_file, identify_file};
pub use limits::{MAX_PIXELS, USUAL_PIXELS};
pub use sniff::Format;

use picture::Picture;

/// Choices where Pillow's habit is not always what one wants.
///
/// The default is Pillow's `convert("RGB")` in every respect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Turn and mirror the picture as its EXIF orientation asks.
    pub apply_orientation: bool,
    /// Blend transparent pixels with this R, G, B instead of dropping alpha.
    pub background: Option<[u8; 3]>,
}

/// A picture and what is to be known about how it was read.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The picture, 8-bit RGB.
    pub image: Image,
    /// What was dropped, ignored or reduced. Empty for most files.
    pub warnings: Vec<Warning>,
    /// The format of the content.
    pub format: Format,
}

/// Reads a picture from the bytes of a file.
///
/// # Errors
///
/// * [`ErrorKind::UnsupportedFormat`]: not an image, or an image of a kind that
///   cannot be read; the message says what the content looks like.
/// * [`ErrorKind::CorruptImage`]: damaged or cut short.
/// * [`ErrorKind::ImageTooLarge`]: more than [`MAX_PIXELS`] pixels.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded> {
    let format = sniff::format_of(bytes)?;
    // The decoders of other crates are fuzzed but not proven: should one of them
    // panic on some damaged file, that file fails and the rest of a batch goes on.
    // Nothing they touched is used afterwards.
    let outcome = catch_unwind(AssertUnwindSafe(|| read(format, bytes, options)));
    let picture = outcome.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::CorruptImage, format!("{format} decoder failed on damaged data")))
    })?;
    picture.finish(format, options)
}

fn read(format: Format, bytes: &[u8], options: &DecodeOptions) -> Result<Picture> {
    match format {
        Format::Bmp | Format::Pnm | Format::WebP => simple::read(format, bytes, options),
        Format::Gif => gif::read(bytes, options),
        Format::Jpeg => jpeg::read(bytes),
        Format::Png => png::read(bytes, options),
        Format::Tiff => tiff::read(bytes, options),
    }
}
