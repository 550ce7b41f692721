//! Host pictures.

use std::fmt;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// A picture in host memory: 8-bit RGB, rows from top to bottom, no padding.
///
/// This is the only form in which pictures pass between crates: a reward sees
/// exactly the bytes that are written to disk. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Arc<[u8]>,
}

impl Image {
    /// A picture of `width` × `height` from `3 * width * height` bytes of RGB.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a side is zero or the length is wrong.
    pub fn from_rgb8(width: u32, height: u32, rgb: impl Into<Arc<[u8]>>) -> Result<Self> {
        let rgb = rgb.into();
        let expected = 3 * u128::from(width) * u128::from(height);
        if width == 0 || height == 0 || rgb.len() as u128 != expected {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{} bytes are no {width}x{height} RGB picture", rgb.len()),
            ));
        }
        Ok(Image { width, height, rgb })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The samples: `height` rows of `width` pixels of R, G, B.
    pub fn as_rgb8(&self) -> &[u8] {
        &self.rgb
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_checked() {
        assert!(Image::from_rgb8(2, 1, vec![0; 6]).is_ok());
        assert!(Image::from_rgb8(2, 1, vec![0; 5]).is_err());
        assert!(Image::from_rgb8(0, 1, vec![]).is_err());
        assert!(Image::from_rgb8(u32::MAX, u32::MAX, vec![0; 3]).is_err());
    }
}
