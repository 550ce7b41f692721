//! Formats whose pixels arrive as Pillow would have them: BMP, PNM, WebP.

use std::io::Cursor;

use hps_core::{Error, ErrorKind, Result};
use image::codecs::{bmp::BmpDecoder, pnm::PnmDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError};

use super::failure::{corrupt, unsupported};
use super::picture::{Notes, Picture};
use super::png::SATURATED;
use super::raster::Raster;
use super::sniff::Format;
use super::{DecodeOptions, exif, limits};

pub(super) fn read(format: Format, bytes: &[u8], options: &DecodeOptions) -> Result<Picture> {
    let cursor = Cursor::new(bytes);
    let error = |error| from_image(format, error);
    match format {
        Format::Bmp => read_with(format, BmpDecoder::new(cursor).map_err(error)?, options),
        Format::Pnm => read_with(format, PnmDecoder::new(cursor).map_err(error)?, options),
        _ => {
            let decoder = WebPDecoder::new(cursor).map_err(error)?;
            let animated = decoder.has_animation();
            let mut picture = read_with(format, decoder, options)?;
            picture.notes.animated = animated;
            Ok(picture)
        }
    }
}

fn read_with(
    format: Format,
    mut decoder: impl ImageDecoder,
    options: &DecodeOptions,
) -> Result<Picture> {
    let error = |error| from_image(format, error);
    let (width, height) = decoder.dimensions();
    let mut raster = Raster::new(width, height, options.background)?;
    let color = decoder.color_type();
    let mut notes = notes(&mut decoder);
    let size = u64::from(width) * u64::from(height) * u64::from(color.bytes_per_pixel());
    let mut samples = vec![0; size as usize];
    decoder.read_image(&mut samples).map_err(error)?;
    match color {
        ColorType::L8 => raster.extend_gray(samples),
        ColorType::Rgb8 => raster.rgb = samples,
        ColorType::Rgba8 => raster.extend_rgba(samples.as_chunks().0.iter().copied()),
        ColorType::L16 => {
            notes.reduced_depth = Some(SATURATED);
            raster.extend_gray(wide(&samples).map(|sample| sample.min(255) as u8));
        }
        ColorType::Rgb16 => {
            notes.reduced_depth = Some("16-bit samples were scaled to eight bits");
            raster.rgb = wide(&samples).map(scale_down).collect();
        }
        other => {
            let message = format!("{format} with samples of type {other:?} is not supported");
            return Err(Error::new(ErrorKind::UnsupportedFormat, message));
        }
    }
    Ok(Picture { raster, notes })
}

fn notes(decoder: &mut impl ImageDecoder) -> Notes {
    let exif = decoder.exif_metadata().ok().flatten();
    let profile = decoder.icc_profile().ok().flatten();
    Notes {
        orientation: exif.as_deref().map(exif::orientation).unwrap_or_default(),
        color_profile: Notes::is_foreign_profile(profile.as_deref()),
        ..Notes::default()
    }
}

fn wide(samples: &[u8]) -> impl Iterator<Item = u16> {
    samples.as_chunks().0.iter().map(|&sample| u16::from_ne_bytes(sample))
}

/// Pillow's `PpmDecoder`: scaled to 255 and rounded.
fn scale_down(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32767) / 65535) as u8
}

fn from_image(format: Format, error: ImageError) -> Error {
    match error {
        ImageError::Unsupported(error) => unsupported(format, error),
        ImageError::Limits(error) => Error::new(
            ErrorKind::ImageTooLarge,
            format!("{format} needs more memory than {} pixels may take", limits::MAX_PIXELS),
        )
        .with_source(error),
        other => corrupt(format, other),
    }
}
