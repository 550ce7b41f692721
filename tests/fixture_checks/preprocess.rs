//! `preprocess.{json,safetensors}`: decoded, resized and normalised pictures; and
//! the files that must give an error.

use std::collections::BTreeMap;

use hps_loop::{DecodeOptions, ResizePolicy, decode_file};
use hps_reward::preprocess::longest_side;
use serde::Deserialize;

use crate::place;

#[derive(Deserialize)]
struct Expected {
    images: BTreeMap<String, serde_json::Value>,
    errors: BTreeMap<String, String>,
    image_size: usize,
}

/// Largest difference allowed, of lossless and lossy formats alike: every decoder
/// gives the very bytes that Pillow gives.
fn tolerance(policy: ResizePolicy) -> f64 {
    match policy {
        ResizePolicy::Antialias => 1e-5,
        ResizePolicy::NoAntialias => 5e-5,
    }
}

#[test]
fn pixels_are_those_of_the_reference() {
    let Some(expected) = place::json::<Expected>("reward", "preprocess.json") else { return };
    let Some(path) = place::find("reward", "preprocess.safetensors") else { return };
    let device = candle_core::Device::Cpu;
    let tensors = candle_core::safetensors::load(path, &device).expect("readable tensors");
    let mut failures = Vec::new();
    for name in expected.images.keys() {
        let file = place::folder("reward").join("images").join(name);
        let decoded = decode_file(file, &DecodeOptions::default()).expect("a readable picture");
        for policy in [ResizePolicy::Antialias, ResizePolicy::NoAntialias] {
            let ours = longest_side(&decoded.image, expected.image_size, policy).data;
            let theirs = tensors[&format!("{name}/{}", policy.as_str())]
                .flatten_all()
                .and_then(|tensor| tensor.to_vec1::<f32>())
                .expect("values");
            assert_eq!(ours.len(), theirs.len(), "{name}");
            let differences = ours.iter().zip(&theirs).map(|(a, b)| f64::from((a - b).abs()));
            let (max, sum) = differences.fold((0f64, 0f64), |(m, s), d| (m.max(d), s + d));
            let mean = sum / ours.len() as f64;
            let line = format!("{name} {}: max {max:.1e}, mean {mean:.1e}", policy.as_str());
            println!("{line}");
            if max.is_nan() || max > tolerance(policy) {
                failures.push(line);
            }
        }
    }
    assert!(!expected.images.is_empty());
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn bad_files_give_an_error() {
    let Some(expected) = place::json::<Expected>("reward", "preprocess.json") else { return };
    for name in expected.errors.keys() {
        let file = place::folder("reward").join("images").join(name);
        let error = decode_file(file, &DecodeOptions::default()).expect_err(name);
        println!("{name}: {}: {}", error.kind(), error.full_message());
    }
}
