//! Decoding against Pillow, and against files that are damaged.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hps_core::{ErrorKind, WarningKind};
use hps_reward::decode::{DecodeOptions, Format, decode, decode_file};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    images: BTreeMap<String, ExpectedImage>,
    errors: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ExpectedImage {
    size: (u32, u32),
}

/// The reward fixtures: `$HPS_FIXTURES/reward`, or the ones of the repository.
fn fixtures() -> PathBuf {
    match std::env::var_os("HPS_FIXTURES") {
        Some(folder) => PathBuf::from(folder).join("reward"),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/reward"),
    }
}

fn expected() -> Expected {
    let text = fs::read_to_string(fixtures().join("preprocess.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("images").join(name)).unwrap()
}

fn values() -> SafeTensors<'static> {
    SafeTensors::deserialize(include_bytes!("data/decode.safetensors")).unwrap()
}

fn warnings(name: &str, options: &DecodeOptions) -> Vec<WarningKind> {
    let decoded = decode(&fixture(name), options).unwrap();
    decoded.warnings.iter().map(|warning| warning.kind).collect()
}

#[test]
fn pixels_equal_pillows() {
    let values = values();
    for (name, file) in values.iter().filter(|(name, _)| name.ends_with("/file")) {
        let name = name.strip_suffix("/file").unwrap();
        let decoded = decode(file.data(), &DecodeOptions::default());
        let image = decoded.unwrap_or_else(|e| panic!("{name}: {}", e.full_message())).image;
        let rgb = values.tensor(&format!("{name}/rgb")).unwrap();
        assert_eq!(rgb.shape(), [image.height() as usize, image.width() as usize, 3], "{name}");
        assert!(rgb.data() == image.as_rgb8(), "{name}: pixels differ");
    }
}

#[test]
fn readable_fixtures_have_pillows_size() {
    for (name, image) in expected().images {
        let decoded = decode(&fixture(&name), &DecodeOptions::default());
        let decoded = decoded.unwrap_or_else(|e| panic!("{name}: {}", e.full_message()));
        assert_eq!((decoded.image.width(), decoded.image.height()), image.size, "{name}");
    }
}

#[test]
fn damaged_fixtures_fail_as_in_pillow() {
    let errors = expected().errors;
    assert!(!errors.is_empty());
    for (name, pillow) in errors {
        let path = fixtures().join("images").join(&name);
        let error = decode_file(&path, &DecodeOptions::default()).unwrap_err();
        let kind = match pillow.split(':').next().unwrap() {
            "DecompressionBombError" => ErrorKind::ImageTooLarge,
            "UnidentifiedImageError" => ErrorKind::UnsupportedFormat,
            _ => ErrorKind::CorruptImage,
        };
        assert_eq!(error.kind(), kind, "{name}: {}", error.full_message());
        assert!(error.message().contains(&name), "{}", error.message());
        if pillow.contains("truncated") {
            assert!(error.message().contains("truncated"), "{name}: {}", error.message());
        }
    }
}

#[test]
fn warnings_say_what_was_dropped() {
    let plain = DecodeOptions::default();
    let cases = [
        ("rgba.png", WarningKind::AlphaDropped),
        ("rgba_lossless.webp", WarningKind::AlphaDropped),
        ("gray_alpha.png", WarningKind::AlphaDropped),
        ("palette_transparent.png", WarningKind::AlphaDropped),
        ("gray16.png", WarningKind::ReducedDepth),
        ("rgb16.png", WarningKind::ReducedDepth),
        ("exif_orientation6.jpg", WarningKind::OrientationIgnored),
        ("animated.gif", WarningKind::FirstFrameOnly),
        ("animated.png", WarningKind::FirstFrameOnly),
        ("animated.webp", WarningKind::FirstFrameOnly),
    ];
    for (name, kind) in cases {
        assert_eq!(warnings(name, &plain), [kind], "{name}");
    }
    // An sRGB profile asks for what is done anyway.
    for name in ["rgb.png", "still.gif", "jpeg420.jpg", "icc_srgb.jpg", "lossy.webp"] {
        assert_eq!(warnings(name, &plain), [], "{name}");
    }
}

#[test]
fn a_foreign_colour_profile_is_reported() {
    let mut bytes = fixture("icc_srgb.jpg");
    let wide = decode(&bytes, &DecodeOptions::default()).unwrap().image;
    for at in 0..bytes.len() - 8 {
        if bytes[at..].starts_with(b"sRGB") || bytes[at..].starts_with(b"s\0R\0G\0B") {
            bytes[at] = b'x';
        }
    }
    let decoded = decode(&bytes, &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.warnings[0].kind, WarningKind::ColorProfileIgnored);
    assert_eq!(decoded.image, wide);
}

#[test]
fn orientation_is_applied_on_request() {
    let options = DecodeOptions { apply_orientation: true, ..DecodeOptions::default() };
    assert_eq!(warnings("exif_orientation6.jpg", &options), []);
    let values = values();
    let upright = decode(values.tensor("orientation1.png/file").unwrap().data(), &options).unwrap();
    // Turned by a quarter: the first row is the first column from the bottom up.
    let turned = decode(values.tensor("orientation6.png/file").unwrap().data(), &options).unwrap();
    let (width, height) = (upright.image.width(), upright.image.height());
    assert_eq!((turned.image.width(), turned.image.height()), (height, width));
    let bottom_left = 3 * (width * (height - 1)) as usize;
    assert_eq!(turned.image.as_rgb8()[..3], upright.image.as_rgb8()[bottom_left..][..3]);
}

#[test]
fn a_background_shows_through() {
    let background = Some([1, 2, 3]);
    let options = DecodeOptions { background, ..DecodeOptions::default() };
    // The fixture hides magenta under its transparent corner.
    let dropped = decode(&fixture("rgba.png"), &DecodeOptions::default()).unwrap();
    assert_eq!(dropped.image.as_rgb8()[..3], [255, 0, 255]);
    let blended = decode(&fixture("rgba.png"), &options).unwrap();
    assert_eq!(blended.image.as_rgb8()[..3], [1, 2, 3]);
    assert_eq!(blended.warnings, []);
}

#[test]
fn content_decides_not_the_name() {
    let path = fixtures().join("images/webp_named.jpg");
    assert_eq!(decode_file(path, &DecodeOptions::default()).unwrap().format, Format::WebP);
}

#[test]
fn paths_that_are_no_files_are_told_apart() {
    let folder = fixtures();
    let missing = decode_file(folder.join("no-such.png"), &DecodeOptions::default()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.message().contains("no-such.png"));
    let error = decode_file(&folder, &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("folder"), "{}", error.message());
}

#[test]
fn a_jpeg_that_is_cut_anywhere_is_truncated() {
    for name in ["jpeg420.jpg", "jpeg444.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"] {
        let bytes = fixture(name);
        for length in (3..bytes.len()).step_by(7).chain(bytes.len() - 9..bytes.len()) {
            let error = decode(&bytes[..length], &DecodeOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptImage, "{name} at {length}");
            assert!(error.message().contains("truncated"), "{name}: {}", error.message());
        }
        // With an end marker after the cut it is still damaged, though Pillow
        // would fill the rest with grey.
        let mut ended = bytes[..bytes.len() * 3 / 4].to_vec();
        ended.extend([0xff, 0xd9]);
        if !name.starts_with("progressive") {
            let error = decode(&ended, &DecodeOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptImage, "{name}");
        }
    }
}

#[test]
fn other_formats_that_are_cut_fail() {
    for name in ["rgb.png", "still.gif", "plain.bmp", "plain.ppm", "plain.tiff", "lossy.webp"] {
        let bytes = fixture(name);
        for length in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 9 / 10] {
            let error = decode(&bytes[..length], &DecodeOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CorruptImage, "{name}: {}", error.full_message());
        }
    }
}

#[test]
fn huge_headers_are_refused_before_allocation() {
    let mut jpeg = fixture("jpeg420.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let mut gif = fixture("still.gif");
    gif[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let mut bmp = fixture("plain.bmp");
    bmp[18..22].copy_from_slice(&20_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&10_000_u32.to_le_bytes());
    let mut webp = fixture("rgba_lossless.webp");
    let lossless = webp.windows(4).position(|name| name == b"VP8L").unwrap();
    // Width and height less one, 14 bits each; the upper four bits are flags.
    let sides = (16_382 | 16_382 << 14 | u32::from(webp[lossless + 12] & 0xf0) << 24).to_le_bytes();
    webp[lossless + 9..lossless + 13].copy_from_slice(&sides);
    let mut tiff = fixture("plain.tiff");
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    for entry in (directory + 2..).step_by(12).take(2) {
        // Width and height are the first entries; make them 32-bit numbers.
        tiff[entry + 2..entry + 4].copy_from_slice(&4_u16.to_le_bytes());
        tiff[entry + 8..entry + 12].copy_from_slice(&20_000_u32.to_le_bytes());
    }
    let pnm = b"P6 20000 10000 255\n".to_vec();
    for (name, bytes) in
        [("jpeg", jpeg), ("gif", gif), ("bmp", bmp), ("webp", webp), ("tiff", tiff), ("pnm", pnm)]
    {
        let error = decode(&bytes, &DecodeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImageTooLarge, "{name}: {}", error.full_message());
    }
}

/// Small valid files of every format.
fn seeds() -> Vec<Vec<u8>> {
    let values = values();
    let files = values.iter().filter(|(name, _)| name.ends_with("/file"));
    files.map(|(_, file)| file.data().to_vec()).collect()
}

fn options() -> impl Strategy<Value = DecodeOptions> {
    (any::<bool>(), any::<Option<[u8; 3]>>())
        .prop_map(|(apply_orientation, background)| DecodeOptions { apply_orientation, background })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_files_never_panic(
        bytes in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        options in options(),
    ) {
        let mut bytes = bytes;
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(decoded) = decode(&bytes, &options) {
            let pixels = decoded.image.width() as usize * decoded.image.height() as usize;
            prop_assert_eq!(decoded.image.as_rgb8().len(), 3 * pixels);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &DecodeOptions::default());
    }
}
