//! A picture while it is being read.

use hps_core::Result;

use super::limits;

/// RGB rows, filled from top to bottom.
///
/// Alpha is dropped or blended as pixels arrive, so it is never kept.
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgb: Vec<u8>,
    background: Option<[u8; 3]>,
    /// Whether a pixel was not opaque.
    pub(super) transparent: bool,
}

impl Raster {
    /// An empty picture with room for `width` × `height` pixels.
    ///
    /// # Errors
    ///
    /// Sides that [`limits::check`] refuses.
    pub(super) fn new(width: u32, height: u32, background: Option<[u8; 3]>) -> Result<Self> {
        limits::check(width, height)?;
        let rgb = Vec::with_capacity(3 * width as usize * height as usize);
        Ok(Raster { width, height, rgb, background, transparent: false })
    }

    /// Adds opaque pixels from R, G, B bytes.
    pub(super) fn extend_rgb(&mut self, samples: &[u8]) {
        self.rgb.extend_from_slice(samples);
    }

    /// Adds opaque grey pixels.
    pub(super) fn extend_gray(&mut self, samples: impl IntoIterator<Item = u8>) {
        self.rgb.extend(samples.into_iter().flat_map(|gray| [gray; 3]));
    }

    /// Adds opaque pixels.
    pub(super) fn extend_pixels(&mut self, pixels: impl IntoIterator<Item = [u8; 3]>) {
        self.rgb.extend(pixels.into_iter().flatten());
    }

    /// Adds pixels that may be transparent: R, G, B, alpha.
    pub(super) fn extend_rgba(&mut self, pixels: impl IntoIterator<Item = [u8; 4]>) {
        for [r, g, b, alpha] in pixels {
            self.transparent |= alpha != 255;
            let rgb = match self.background {
                Some(background) => blend([r, g, b], alpha, background),
                None => [r, g, b],
            };
            self.rgb.extend(rgb);
        }
    }
}

fn blend(rgb: [u8; 3], alpha: u8, background: [u8; 3]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    let mix = |over: u8, under: u8| {
        ((u32::from(over) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8
    };
    [mix(rgb[0], background[0]), mix(rgb[1], background[1]), mix(rgb[2], background[2])]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn alpha_is_dropped_or_blended() {
        let pixels = [[10, 20, 30, 0], [10, 20, 30, 255], [200, 0, 100, 128]];
        let mut raster = Raster::new(3, 1, None).unwrap();
        raster.extend_rgba(pixels);
        assert_eq!(raster.rgb, [10, 20, 30, 10, 20, 30, 200, 0, 100]);
        assert!(raster.transparent);
        let mut raster = Raster::new(3, 1, Some([255, 255, 0])).unwrap();
        raster.extend_rgba(pixels);
        assert_eq!(raster.rgb, [255, 255, 0, 10, 20, 30, 227, 127, 50]);
    }
}
