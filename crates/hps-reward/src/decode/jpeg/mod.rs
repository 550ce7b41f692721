//! JPEG, baseline and progressive, with the arithmetic of libjpeg-turbo.
//!
//! The format leaves the inverse transform, the chroma interpolation and the
//! colour conversion open, and decoders differ by a few grey levels. HPS v2
//! scores are defined on what Pillow reads, and Pillow uses libjpeg-turbo, so
//! this decoder does the same integer arithmetic: the accurate ("islow")
//! transform, "fancy" chroma interpolation, 16-bit fixed-point colour tables.
//! Samples come out equal, to the bit.
//!
//! Unlike most decoders it never makes up missing data: a stream that ends early
//! is an error.
//!
//! Read in this order: [`segments`] walks the file, [`frame`] and [`huffman`]
//! hold what headers say, [`scan`] decodes coefficients from [`bits`], [`idct`],
//! [`upsample`] and [`color`] make samples of them.

mod bits;
mod color;
mod damage;
mod frame;
mod huffman;
mod idct;
mod scan;
mod segments;
mod upsample;

use hps_core::Result;

use super::exif;
use super::limits;
use super::picture::{Notes, Picture};
use super::raster::Raster;

/// Reads a whole picture. JPEG has no transparency.
pub(super) fn read(bytes: &[u8]) -> Result<Picture> {
    let mut stream = segments::Stream::new(bytes);
    let (width, height) = stream.read_frame_header()?;
    limits::check(width, height)?;
    let mut raster = Raster::new(width, height, None)?;
    let (frame, metadata) = stream.read_scans()?;
    color::convert(&frame, metadata.color_space(&frame)?, &mut raster);
    let notes = Notes {
        orientation: metadata.exif.map(exif::orientation).unwrap_or_default(),
        color_profile: Notes::is_foreign_profile(metadata.icc_profile),
        ..Notes::default()
    };
    Ok(Picture { raster, notes })
}
