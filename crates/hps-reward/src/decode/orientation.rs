//! Turning and mirroring pictures.

use super::raster::Raster;

/// An EXIF orientation: 1 is upright, the rest are turned or mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u16);

impl Default for Orientation {
    fn default() -> Self {
        Orientation(1)
    }
}

impl Orientation {
    /// Values that EXIF does not define count as upright.
    pub(super) fn from_value(value: u16) -> Self {
        if (1..=8).contains(&value) { Orientation(value) } else { Orientation::default() }
    }

    pub(super) fn value(self) -> u16 {
        self.0
    }

    /// Whether width and height change places.
    fn is_transposed(self) -> bool {
        self.0 >= 5
    }

    /// Where in a `width` × `height` source the pixel at (`x`, `y`) of the upright
    /// picture comes from.
    fn source(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        let (right, bottom) = (width - 1, height - 1);
        match self.0 {
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => (x, y),
        }
    }
}

/// Turns a complete raster upright, as Pillow's `ImageOps.exif_transpose` does.
pub(super) fn apply(raster: &mut Raster, orientation: Orientation) {
    if orientation == Orientation::default() {
        return;
    }
    let (width, height) = (raster.width as usize, raster.height as usize);
    if orientation.is_transposed() {
        (raster.width, raster.height) = (raster.height, raster.width);
    }
    let source = std::mem::take(&mut raster.rgb);
    raster.rgb.reserve_exact(source.len());
    for y in 0..raster.height as usize {
        for x in 0..raster.width as usize {
            let (from_x, from_y) = orientation.source(x, y, width, height);
            raster.rgb.extend_from_slice(&source[3 * (from_y * width + from_x)..][..3]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The letters of a 3×2 picture `abc/def` after Pillow's `exif_transpose`.
    const UPRIGHT: [&str; 8] = [
        "abc/def", "cba/fed", "fed/cba", "def/abc", "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad",
    ];

    #[test]
    fn every_orientation_matches_exif_transpose() {
        for (value, expected) in (1..).zip(UPRIGHT) {
            let mut raster = Raster::new(3, 2, None).unwrap();
            raster.extend_gray(*b"abcdef");
            apply(&mut raster, Orientation::from_value(value));
            let gray: Vec<u8> = raster.rgb.iter().copied().step_by(3).collect();
            let rows: Vec<_> =
                gray.chunks(raster.width as usize).map(String::from_utf8_lossy).collect();
            assert_eq!(rows.join("/"), expected, "orientation {value}");
        }
    }
}
