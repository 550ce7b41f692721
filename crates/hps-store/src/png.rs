//! Pictures as PNG files.
//!
//! Format: PNG (Third Edition), W3C Recommendation 2025.

use std::collections::BTreeMap;
use std::io::Cursor;

use hps_core::{Error, ErrorKind, Image, Result};
use png::text_metadata::{ITXtChunk, TEXtChunk};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, EncodingError};

/// Larger pictures are refused when reading, whatever their file claims.
const MAX_PIXELS: u64 = 1 << 28;

/// Encodes a picture with text chunks in the given order, before the pixels.
///
/// The bytes depend on the arguments alone. Text that Latin-1 can hold becomes
/// `tEXt`, any other `iTXt`.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if a keyword is not 1 to 79 printable ASCII
/// characters or occurs twice.
pub fn encode(image: &Image, text: &[(String, String)]) -> Result<Vec<u8>> {
    check_keywords(text)?;
    let mut bytes = Vec::new();
    write(&mut bytes, image, text).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "cannot encode the picture as PNG").with_source(error)
    })?;
    Ok(bytes)
}

fn write(
    bytes: &mut Vec<u8>,
    image: &Image,
    text: &[(String, String)],
) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(bytes, image.width(), image.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    // The one level whose compressor does not depend on how flate2 was built.
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    for (keyword, text) in text {
        if text.chars().all(is_latin1_text) {
            writer.write_text_chunk(&TEXtChunk::new(keyword, text))?;
        } else {
            writer.write_text_chunk(&ITXtChunk::new(keyword, text))?;
        }
    }
    writer.write_image_data(image.as_rgb8())?;
    writer.finish()
}

/// The characters that the specification allows in `tEXt`.
fn is_latin1_text(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{ff}')
}

fn check_keywords(text: &[(String, String)]) -> Result<()> {
    for (index, (keyword, _)) in text.iter().enumerate() {
        let printable = keyword.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let unique = text.iter().take(index).all(|(other, _)| other != keyword);
        if !printable || !(1..=79).contains(&keyword.len()) || !unique {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("'{keyword}' cannot be the keyword of a PNG text chunk"),
            ));
        }
    }
    Ok(())
}

/// The pixels of an 8-bit RGB picture: the inverse of [`encode`].
///
/// # Errors
///
/// [`ErrorKind::CorruptImage`] if the file is damaged, cut short or not PNG,
/// [`ErrorKind::UnsupportedFormat`] for other kinds of PNG and
/// [`ErrorKind::ImageTooLarge`] above 2^28 pixels.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    let mut reader = Decoder::new(Cursor::new(bytes)).read_info().map_err(corrupt)?;
    let (width, height) = (reader.info().width, reader.info().height);
    if reader.output_color_type() != (ColorType::Rgb, BitDepth::Eight) {
        return Err(Error::new(ErrorKind::UnsupportedFormat, "the PNG is not 8-bit RGB"));
    }
    let size = reader
        .output_buffer_size()
        .filter(|_| u64::from(width) * u64::from(height) <= MAX_PIXELS)
        .ok_or_else(|| {
            Error::new(ErrorKind::ImageTooLarge, format!("the PNG is {width}x{height}"))
        })?;
    let mut rgb = vec![0; size];
    reader.next_frame(&mut rgb).map_err(corrupt)?;
    reader.finish().map_err(corrupt)?;
    Image::from_rgb8(width, height, rgb)
}

/// The text chunks before the pixels, by keyword.
///
/// # Errors
///
/// [`ErrorKind::CorruptImage`] if the file is damaged before its pixels or not PNG.
pub fn text(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let reader = Decoder::new(Cursor::new(bytes)).read_info().map_err(corrupt)?;
    let info = reader.info();
    let mut text = BTreeMap::new();
    for chunk in &info.uncompressed_latin1_text {
        text.insert(chunk.keyword.clone(), chunk.text.clone());
    }
    for chunk in &info.utf8_text {
        let content = chunk.get_text().map_err(corrupt)?;
        text.insert(chunk.keyword.clone(), content);
    }
    Ok(text)
}

fn corrupt(error: png::DecodingError) -> Error {
    Error::new(ErrorKind::CorruptImage, "the PNG is damaged").with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn image(width: u32, height: u32) -> Image {
        let rgb: Vec<u8> = (0..3 * width * height).map(|i| (i * 37 % 251) as u8).collect();
        Image::from_rgb8(width, height, rgb).unwrap()
    }

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn latin1_and_unicode_text_come_back() {
        let pairs = pairs(&[
            ("ascii", "a red fox"),
            ("latin", "café\nñ"),
            ("unicode", "शेर 狐 🦊"),
            ("control", "a\u{1}b\u{85}"),
            ("empty", ""),
        ]);
        let bytes = encode(&image(7, 5), &pairs).unwrap();
        assert_eq!(text(&bytes).unwrap(), pairs.iter().cloned().collect());
        assert_eq!(decode(&bytes).unwrap(), image(7, 5));
        let count = |name: &[u8]| bytes.windows(4).filter(|window| *window == name).count();
        assert_eq!((count(b"tEXt"), count(b"iTXt")), (3, 2));
        assert_eq!(bytes, encode(&image(7, 5), &pairs).unwrap());
    }

    #[test]
    fn chunks_keep_their_order() {
        let bytes = encode(&image(1, 1), &pairs(&[("b", "狐"), ("a", "x")])).unwrap();
        let position = |name: &[u8]| bytes.windows(4).position(|window| window == name).unwrap();
        assert!(position(b"iTXt") < position(b"tEXt"));
        assert!(position(b"tEXt") < position(b"IDAT"));
    }

    #[test]
    fn wrong_keywords_are_refused() {
        let long = "k".repeat(80);
        for wrong in ["", long.as_str(), "a\nb", "狐"] {
            let error = encode(&image(1, 1), &pairs(&[(wrong, "x")])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong}");
        }
        assert!(encode(&image(1, 1), &pairs(&[("k", "x"), ("k", "y")])).is_err());
    }

    #[test]
    fn a_cut_file_is_corrupt_at_every_length() {
        let bytes = encode(&image(9, 9), &pairs(&[("prompt", "x")])).unwrap();
        for length in 0..bytes.len() {
            let error = decode(&bytes[..length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptImage, "{length} bytes");
        }
    }

    #[test]
    fn other_kinds_of_png_are_refused() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0]).unwrap();
        writer.finish().unwrap();
        assert_eq!(decode(&bytes).unwrap_err().kind(), ErrorKind::UnsupportedFormat);
    }

    proptest! {
        #[test]
        fn any_picture_and_text_round_trip(
            width in 1u32..20,
            height in 1u32..20,
            seed: u8,
            value in any::<String>(),
        ) {
            let size = 3 * (width * height) as usize;
            let rgb: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let image = Image::from_rgb8(width, height, rgb).unwrap();
            let bytes = encode(&image, &[("k".to_owned(), value.clone())]).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), image);
            let text = text(&bytes).unwrap();
            prop_assert_eq!(text.get("k"), Some(&value));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, at in 0usize..200, value: u8) {
            let _ = decode(&bytes);
            let _ = text(&bytes);
            let mut damaged = encode(&image(5, 5), &[]).unwrap();
            let at = at % damaged.len();
            damaged[at] = value;
            let _ = decode(&damaged);
        }
    }
}
