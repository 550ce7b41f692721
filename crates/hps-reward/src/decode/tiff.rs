//! The first picture of TIFF.

use std::io::Cursor;

use hps_core::{Error, ErrorKind, Result};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::failure::{corrupt, truncated, unsupported};
use super::limits::{self, SCRATCH_BYTES};
use super::orientation::{self, Orientation};
use super::picture::{Notes, Picture};
use super::png::{HIGH_BYTE, SATURATED};
use super::raster::Raster;
use super::sniff::Format;
use super::{DecodeOptions, cmyk, exif};

/// Reads the first directory. Unlike for other formats, Pillow turns TIFF
/// pictures as their orientation asks, so this does too.
pub(super) fn read(bytes: &[u8], options: &DecodeOptions) -> Result<Picture> {
    // The decoder compares sizes with the list of strips first, and would call a
    // bomb damaged.
    let side = |tag: Tag| exif::tag_value(bytes, tag.to_u16());
    if let (Some(width), Some(height)) = (side(Tag::ImageWidth), side(Tag::ImageLength)) {
        limits::check(width, height)?;
    }
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(error)?;
    let (width, height) = decoder.dimensions().map_err(error)?;
    let mut raster = Raster::new(width, height, options.background)?;
    let color = decoder.colortype().map_err(error)?;
    let channels = channels(color)?;
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten();
    if channels == 2 && compression == Some(JPEG_COMPRESSION) {
        // Its two components would be taken for three.
        return Err(unsupported(Format::Tiff, "grey with alpha in JPEG compression"));
    }
    let pixels = width as usize * height as usize;
    let mut bounds = Limits::default();
    bounds.decoding_buffer_size = 2 * channels * pixels;
    bounds.intermediate_buffer_size = 2 * channels * pixels + SCRATCH_BYTES;
    let mut decoder = decoder.with_limits(bounds);

    let mut buffer = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut buffer).map_err(error)?;
    let mut notes = Notes { oriented: true, ..Notes::default() };
    let samples = match buffer {
        DecodingResult::U8(samples) => eight_bits(samples, color.bit_depth(), width, channels),
        DecodingResult::U16(samples) if channels == 1 => {
            notes.reduced_depth = Some(SATURATED);
            samples.iter().map(|&sample| sample.min(255) as u8).collect()
        }
        DecodingResult::U16(samples) => {
            notes.reduced_depth = Some(HIGH_BYTE);
            samples.iter().map(|sample| (sample >> 8) as u8).collect()
        }
        _ => return Err(unsupported(Format::Tiff, "its samples are no 8 or 16-bit integers")),
    };
    let samples = if layout.planes > 1 { interleave(&samples, channels)? } else { samples };
    append(&samples, color, &mut raster);
    if raster.rgb.len() != 3 * pixels {
        return Err(truncated(Format::Tiff));
    }

    let value = decoder.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten();
    orientation::apply(
        &mut raster,
        value.map_or_else(Orientation::default, Orientation::from_value),
    );
    let profile = decoder.get_tag_u8_vec(Tag::IccProfile).ok();
    notes.color_profile = Notes::is_foreign_profile(profile.as_deref());
    Ok(Picture { raster, notes })
}

const JPEG_COMPRESSION: u16 = 7;

/// Samples per pixel of the kinds that are supported.
fn channels(color: ColorType) -> Result<usize> {
    match color {
        ColorType::Gray(1 | 2 | 4 | 8 | 16) => Ok(1),
        ColorType::GrayA(8 | 16) | ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } => {
            Ok(2)
        }
        ColorType::RGB(8 | 16) => Ok(3),
        ColorType::RGBA(8 | 16) | ColorType::CMYK(8 | 16) => Ok(4),
        other => Err(unsupported(Format::Tiff, format!("samples of type {other:?}"))),
    }
}

/// Spreads samples of fewer than eight bits; rows begin at byte borders.
fn eight_bits(samples: Vec<u8>, depth: u8, width: u32, channels: usize) -> Vec<u8> {
    if depth == 8 {
        return samples;
    }
    let depth = usize::from(depth);
    let row_samples = width as usize * channels;
    let mask = u8::MAX >> (8 - depth);
    let spread = |row: &[u8]| {
        let sample = |index: usize| {
            let bit = index * depth;
            ((row[bit / 8] >> (8 - depth - bit % 8)) & mask) * (255 / mask)
        };
        (0..row_samples).map(sample).collect::<Vec<_>>()
    };
    samples.chunks_exact((row_samples * depth).div_ceil(8)).flat_map(spread).collect()
}

/// From one plane per channel to one group of samples per pixel.
fn interleave(planes: &[u8], channels: usize) -> Result<Vec<u8>> {
    let pixels = planes.len() / channels;
    if pixels * channels != planes.len() {
        return Err(truncated(Format::Tiff));
    }
    let pixel = |index: usize| (0..channels).map(move |channel| planes[channel * pixels + index]);
    Ok((0..pixels).flat_map(pixel).collect())
}

fn append(samples: &[u8], color: ColorType, raster: &mut Raster) {
    match color {
        ColorType::RGB(_) => raster.extend_rgb(samples),
        ColorType::RGBA(_) => raster.extend_rgba(samples.as_chunks().0.iter().copied()),
        ColorType::CMYK(_) => {
            raster.extend_pixels(samples.as_chunks().0.iter().copied().map(cmyk::to_rgb));
        }
        ColorType::Gray(_) => raster.extend_gray(samples.iter().copied()),
        _ => raster.extend_rgba(samples.chunks_exact(2).map(|s| [s[0], s[0], s[0], s[1]])),
    }
}

fn error(error: TiffError) -> Error {
    match error {
        TiffError::UnsupportedError(_) => unsupported(Format::Tiff, error),
        TiffError::LimitsExceeded => Error::new(
            ErrorKind::ImageTooLarge,
            format!("TIFF needs more memory than {} pixels may take", limits::MAX_PIXELS),
        ),
        other => corrupt(Format::Tiff, other),
    }
}
