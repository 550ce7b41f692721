//! What a file holds, judged by its first bytes.

use std::fmt;

use hps_core::{Error, ErrorKind, Result};

/// An image format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Windows bitmap.
    Bmp,
    /// GIF87a or GIF89a.
    Gif,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG or animated PNG.
    Png,
    /// Portable bitmap, graymap or pixmap (`P1` to `P6`).
    Pnm,
    /// TIFF.
    Tiff,
    /// WebP, lossy or lossless.
    WebP,
}

impl Format {
    /// The usual name, e.g. `PNG`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Bmp => "BMP",
            Format::Gif => "GIF",
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::Pnm => "PNM",
            Format::Tiff => "TIFF",
            Format::WebP => "WebP",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The format of `bytes`, of which the first [`SNIFF_BYTES`] suffice.
///
/// # Errors
///
/// [`ErrorKind::UnsupportedFormat`], saying what the content looks like.
pub(super) fn format_of(bytes: &[u8]) -> Result<Format> {
    supported(bytes).ok_or_else(|| {
        let looks = resemblance(bytes);
        Error::new(ErrorKind::UnsupportedFormat, format!("not a readable image: {looks}"))
            .with_hint("Use PNG, JPEG, WebP, GIF, TIFF, BMP or PNM.")
    })
}

/// How many bytes tell the format, and what else a file might be.
pub(super) const SNIFF_BYTES: usize = 1024;

fn supported(bytes: &[u8]) -> Option<Format> {
    let format = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Format::Png,
        [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Format::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::WebP,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Format::Tiff,
        [b'B', b'M', ..] => Format::Bmp,
        [b'P', b'1'..=b'6', space, ..] if space.is_ascii_whitespace() => Format::Pnm,
        _ => return None,
    };
    Some(format)
}

/// A guess at what unreadable content is, as it reads after "not an image: ".
fn resemblance(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "the file is empty";
    }
    binary(bytes).or_else(|| text(bytes)).unwrap_or("its content has no known form")
}

fn binary(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(iso_media(bytes));
    }
    let signatures: [(&[u8], &str); 16] = [
        (b"\xff\x0a", "it is JPEG XL, which is not supported"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "it is JPEG XL, which is not supported"),
        (b"\0\0\0\x0cjP  ", "it is JPEG 2000, which is not supported"),
        (b"\xff\x4f\xff\x51", "it is JPEG 2000, which is not supported"),
        (b"%PDF-", "it is a PDF document"),
        (b"8BPS", "it is a Photoshop document, which is not supported"),
        (b"\x76\x2f\x31\x01", "it is OpenEXR, which is not supported"),
        (b"#?RADIANCE", "it is Radiance HDR, which is not supported"),
        (b"DDS ", "it is DDS, which is not supported"),
        (b"qoif", "it is QOI, which is not supported"),
        (b"\0\0\x01\0", "it is a Windows icon, which is not supported"),
        (b"P7\n", "it is PAM, which is not supported"),
        (b"PK\x03\x04", "it is a ZIP archive"),
        (b"\x1f\x8b", "it is gzip data"),
        (b"\x93NUMPY", "it is a NumPy array"),
        (b"\x1aE\xdf\xa3", "it is a Matroska or WebM video"),
    ];
    signatures.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

/// Files of boxes, told apart by their brands.
fn iso_media(bytes: &[u8]) -> &'static str {
    let size = bytes.first_chunk().map_or(0, |&size| u32::from_be_bytes(size)) as usize;
    let end = size.clamp(12, 64).min(bytes.len());
    let brands = bytes.get(8..end).unwrap_or_default();
    let has = |names: &[&[u8]]| brands.chunks_exact(4).any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        "it is AVIF, which is not supported"
    } else if has(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"]) {
        "it is HEIC, which is not supported"
    } else {
        "it is a video"
    }
}

fn text(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..SNIFF_BYTES).unwrap_or(bytes);
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end of the part that is looked at.
        Err(error) if head.len() - error.valid_up_to() < 4 && error.valid_up_to() > 0 => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if head.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let lower = head.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    Some(if lower.contains("<svg") {
        "it is an SVG drawing, which is not supported"
    } else if lower.starts_with("<!doctype html") || lower.contains("<html") {
        "it is an HTML page, perhaps an error page saved under an image's name"
    } else if lower.starts_with("<?xml") {
        "it is XML"
    } else if lower.starts_with("version https://git-lfs") {
        "it is a Git LFS pointer, not the file itself"
    } else if lower.starts_with('{') || lower.starts_with('[') {
        "it is JSON"
    } else if lower.is_empty() {
        "it holds nothing but white space"
    } else {
        "it is text"
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unreadable_content_is_named() {
        let cases: [(&[u8], &str); 10] = [
            (b"", "empty"),
            (b"<html><body>404</body></html>", "HTML"),
            (b"\xef\xbb\xbf<?xml version='1.0'?><svg xmlns=''/>", "SVG"),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
            (b"\xff\x0a\x01\x02", "JPEG XL"),
            (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
            (b"hello", "text"),
            (b"\x01\x02\x03", "no known form"),
        ];
        for (bytes, name) in cases {
            let error = format_of(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
            assert!(error.message().contains(name), "{}", error.message());
        }
    }
}
