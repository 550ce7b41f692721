//! PNG, including the first picture of animated PNG.

use std::io::Cursor;

use hps_core::{Error, Result};
use png::{BitDepth, ColorType, DecodingError, Info};

use super::DecodeOptions;
use super::exif;
use super::failure::{corrupt, truncated};
use super::limits::{self, SCRATCH_BYTES};
use super::picture::{Notes, Picture};
use super::raster::Raster;
use super::sniff::Format;

/// Reads the image data (`IDAT`); further frames of an animation are ignored.
pub(super) fn read(bytes: &[u8], options: &DecodeOptions) -> Result<Picture> {
    let limits = png::Limits { bytes: SCRATCH_BYTES };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let header = decoder.read_header_info().map_err(error)?;
    let (width, height) = (header.width, header.height);
    limits::check(width, height)?;
    let mut reader = decoder.read_info().map_err(error)?;
    let notes = notes(reader.info());
    let layout = Layout::of(reader.info());
    let row_bytes = layout.row_bytes(width);
    let mut raster = Raster::new(width, height, options.background)?;

    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or_else(|| truncated(Format::Png))?;
        let mut whole = vec![0; size];
        reader.next_frame(&mut whole).map_err(error)?;
        for row in whole.chunks_exact(row_bytes) {
            layout.append(row, width, &mut raster);
        }
    } else {
        while let Some(row) = reader.next_row().map_err(error)? {
            let row = row.data().get(..row_bytes).ok_or_else(|| truncated(Format::Png))?;
            layout.append(row, width, &mut raster);
        }
    }
    Ok(Picture { raster, notes })
}

fn error(error: DecodingError) -> Error {
    corrupt(Format::Png, error)
}

fn notes(info: &Info<'_>) -> Notes {
    let reduced_depth = match (info.bit_depth, info.color_type) {
        (BitDepth::Sixteen, ColorType::Grayscale) => Some(SATURATED),
        (BitDepth::Sixteen, _) => Some(HIGH_BYTE),
        _ => None,
    };
    Notes {
        orientation: info.exif_metadata.as_deref().map(exif::orientation).unwrap_or_default(),
        reduced_depth,
        animated: info.animation_control.is_some_and(|control| control.num_frames > 1),
        color_profile: Notes::is_foreign_profile(info.icc_profile.as_deref()),
        ..Notes::default()
    }
}

/// What Pillow does with 16-bit grey.
pub(super) const SATURATED: &str =
    "16-bit grey was cut off at 255, as Pillow does: all but near-black turns white";

/// What Pillow does with other 16-bit samples.
pub(super) const HIGH_BYTE: &str = "16-bit samples were reduced to their high byte";

/// How samples lie in a row.
struct Layout {
    color_type: ColorType,
    depth: BitDepth,
    palette: Palette,
}

impl Layout {
    fn of(info: &Info<'_>) -> Self {
        let palette = Palette::new(info.palette.as_deref(), info.trns.as_deref());
        Layout { color_type: info.color_type, depth: info.bit_depth, palette }
    }

    fn row_bytes(&self, width: u32) -> usize {
        let bits = self.color_type.samples() * self.depth as usize;
        (width as usize * bits).div_ceil(8)
    }

    /// Adds one row of `width` pixels.
    fn append(&self, row: &[u8], width: u32, raster: &mut Raster) {
        // PNG stores 16-bit samples with the high byte first.
        let wide = self.depth == BitDepth::Sixteen;
        match self.color_type {
            ColorType::Grayscale if wide => {
                let samples = row.chunks_exact(2);
                raster.extend_gray(samples.map(|s| if s[0] > 0 { 255 } else { s[1] }));
            }
            ColorType::Grayscale => {
                let scale =
                    255 / (1_u16.checked_shl(self.depth as u32).map_or(255, |n| n - 1)) as u8;
                raster.extend_gray(unpack(row, self.depth, width).map(|sample| sample * scale));
            }
            ColorType::Indexed => {
                let indices = unpack(row, self.depth, width);
                raster.extend_rgba(indices.map(|index| self.palette.color(index)));
            }
            ColorType::Rgb if wide => {
                raster.extend_pixels(row.chunks_exact(6).map(|s| [s[0], s[2], s[4]]));
            }
            ColorType::Rgb => raster.extend_rgb(row),
            ColorType::GrayscaleAlpha => {
                let step = if wide { 2 } else { 1 };
                let pixels = row.chunks_exact(2 * step);
                raster.extend_rgba(pixels.map(|s| [s[0], s[0], s[0], s[step]]));
            }
            ColorType::Rgba => {
                let step = if wide { 2 } else { 1 };
                let pixels = row.chunks_exact(4 * step);
                raster.extend_rgba(pixels.map(|s| [s[0], s[step], s[2 * step], s[3 * step]]));
            }
        }
    }
}

/// Samples of 1, 2, 4 or 8 bits, the leftmost in the high bits.
fn unpack(row: &[u8], depth: BitDepth, width: u32) -> impl Iterator<Item = u8> {
    let depth = (depth as usize).min(8);
    let mask = u8::MAX >> (8 - depth);
    let per_byte = 8 / depth;
    let samples = row.iter().flat_map(move |&byte| {
        (1..=per_byte).map(move |place| (byte >> (8 - place * depth)) & mask)
    });
    samples.take(width as usize)
}

/// 256 colours with alpha.
pub(super) struct Palette([[u8; 4]; 256]);

impl Palette {
    /// Colours from R, G, B triples and alpha bytes. As in Pillow, entries beyond
    /// the end are black; they are opaque.
    pub(super) fn new(rgb: Option<&[u8]>, alpha: Option<&[u8]>) -> Self {
        let mut colors = [[0, 0, 0, 255]; 256];
        for (color, rgb) in colors.iter_mut().zip(rgb.unwrap_or_default().chunks_exact(3)) {
            color[..3].copy_from_slice(rgb);
        }
        for (color, &alpha) in colors.iter_mut().zip(alpha.unwrap_or_default()) {
            color[3] = alpha;
        }
        Palette(colors)
    }

    pub(super) fn color(&self, index: u8) -> [u8; 4] {
        self.0[usize::from(index)]
    }
}
