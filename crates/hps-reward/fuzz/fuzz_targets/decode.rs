//! Decoding must neither panic nor overrun memory, whatever the bytes.
//!
//! Run with `cargo +nightly fuzz run decode`; seed the corpus with any folder of
//! small images.

#![no_main]

use hps_reward::decode::{DecodeOptions, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = DecodeOptions { apply_orientation: true, background: Some([255; 3]) };
    if let Ok(decoded) = decode(bytes, &options) {
        let pixels = decoded.image.width() as usize * decoded.image.height() as usize;
        assert_eq!(decoded.image.as_rgb8().len(), 3 * pixels);
    }
});
