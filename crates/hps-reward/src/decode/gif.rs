//! The first frame of GIF.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, Decoder, DecodingError, Frame, MemoryLimit};
use hps_core::{Error, Result};

use super::DecodeOptions;
use super::failure::{corrupt, truncated};
use super::limits::{self, MAX_PIXELS};
use super::picture::{Notes, Picture};
use super::png::Palette;
use super::raster::Raster;
use super::sniff::Format;

/// Reads the first frame onto a canvas as Pillow does: the canvas grows if the
/// frame sticks out, and starts with the transparent colour or colour 0.
pub(super) fn read(bytes: &[u8], options: &DecodeOptions) -> Result<Picture> {
    let mut settings = gif::DecodeOptions::new();
    settings.set_color_output(ColorOutput::Indexed);
    settings.set_memory_limit(
        NonZeroU64::new(MAX_PIXELS).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes),
    );
    let mut decoder = settings.read_info(Cursor::new(bytes)).map_err(error)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    let Some(frame) = decoder.next_frame_info().map_err(error)? else {
        return Err(truncated(Format::Gif));
    };
    let place = Place::of(frame);
    let transparent = frame.transparent;
    let (width, height) = (screen.0.max(place.right()), screen.1.max(place.bottom()));
    let mut raster = Raster::new(width, height, options.background)?;
    limits::check(place.width as u32, place.height as u32)?;

    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(error)?;
    let palette = palette(&decoder, transparent)?;
    let canvas = palette.color(transparent.unwrap_or(0));
    for y in 0..height as usize {
        let row = place.row(y, &indices);
        let left = if row.is_empty() { width as usize } else { place.left };
        raster.extend_rgba(std::iter::repeat_n(canvas, left));
        raster.extend_rgba(row.iter().map(|&index| palette.color(index)));
        let rest = width as usize - left - row.len();
        raster.extend_rgba(std::iter::repeat_n(canvas, rest));
    }
    let animated = matches!(decoder.next_frame_info(), Ok(Some(_)));
    let color_profile = Notes::is_foreign_profile(decoder.icc_profile());
    Ok(Picture { raster, notes: Notes { animated, color_profile, ..Notes::default() } })
}

fn error(error: DecodingError) -> Error {
    corrupt(Format::Gif, error)
}

fn palette(decoder: &Decoder<Cursor<&[u8]>>, transparent: Option<u8>) -> Result<Palette> {
    let rgb = decoder.palette().map_err(error)?;
    let mut alpha = [255; 256];
    if let Some(index) = transparent {
        alpha[usize::from(index)] = 0;
    }
    Ok(Palette::new(Some(rgb), Some(&alpha)))
}

/// Where a frame lies on the canvas.
struct Place {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Place {
    fn of(frame: &Frame<'_>) -> Self {
        Place {
            left: usize::from(frame.left),
            top: usize::from(frame.top),
            width: usize::from(frame.width),
            height: usize::from(frame.height),
        }
    }

    fn right(&self) -> u32 {
        (self.left + self.width) as u32
    }

    fn bottom(&self) -> u32 {
        (self.top + self.height) as u32
    }

    /// The frame's part of canvas row `y`, or nothing.
    fn row<'a>(&self, y: usize, indices: &'a [u8]) -> &'a [u8] {
        let row = y.checked_sub(self.top).filter(|&row| row < self.height);
        row.and_then(|row| indices.get(row * self.width..(row + 1) * self.width))
            .unwrap_or_default()
    }
}
