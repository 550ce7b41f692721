//! How large a picture may be.

use hps_core::{Error, ErrorKind, Result, Warning, WarningKind};

/// The most pixels that are read: the number above which Pillow raises
/// `DecompressionBombError`.
pub const MAX_PIXELS: u64 = 2 * USUAL_PIXELS;

/// Above this many pixels there is a warning, as in Pillow
/// (`Image.MAX_IMAGE_PIXELS`: a quarter of a gibibyte at three bytes per pixel).
pub const USUAL_PIXELS: u64 = 89_478_485;

/// The most bytes of a file that are looked at: twice what [`MAX_PIXELS`] of
/// uncompressed 16-bit RGB take.
pub(super) const MAX_FILE_BYTES: u64 = 2 * 6 * MAX_PIXELS;

/// Room for what a decoder keeps beside the picture: colour profiles, tables,
/// one row.
pub(super) const SCRATCH_BYTES: usize = 64 << 20;

/// Checks the sides that a header claims, before anything is allocated.
pub(super) fn check(width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(Error::new(
            ErrorKind::CorruptImage,
            format!("the header claims an empty picture of {width}x{height}"),
        ));
    }
    if pixels > MAX_PIXELS {
        return Err(Error::new(
            ErrorKind::ImageTooLarge,
            format!("{width}x{height} is {pixels} pixels, more than the limit of {MAX_PIXELS}"),
        )
        .with_hint("Shrink the picture first."));
    }
    Ok(())
}

/// The remark for a picture that is large but not too large.
pub(super) fn remark(width: u32, height: u32) -> Option<Warning> {
    let pixels = u64::from(width) * u64::from(height);
    (pixels > USUAL_PIXELS).then(|| {
        Warning::new(
            WarningKind::LargeImage,
            format!("{width}x{height} is {pixels} pixels, more than the usual {USUAL_PIXELS}"),
        )
    })
}
