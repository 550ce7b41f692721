//! Preprocessing against values of the public Python packages.

#![allow(clippy::unwrap_used)]

use hps_core::Image;
use hps_reward::preprocess::{
    Geometry, OPENAI_MEAN, OPENAI_STD, Pixels, ResizePolicy, clip, longest_side,
};
use proptest::prelude::*;
use safetensors::SafeTensors;

const POLICIES: [ResizePolicy; 2] = [ResizePolicy::Antialias, ResizePolicy::NoAntialias];

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Largest and mean absolute difference.
fn differences(actual: &[f32], expected: &[f32]) -> (f64, f64) {
    assert_eq!(actual.len(), expected.len());
    let all = actual.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let (max, sum) = all.fold((0.0_f64, 0.0), |(max, sum), d| (max.max(d), sum + d));
    assert!(sum.is_finite());
    (max, sum / actual.len() as f64)
}

/// The picture of `scripts/make_clip_preprocess_values.py`.
fn picture(width: u32, height: u32) -> Image {
    let mut rgb = Vec::new();
    for y in 0..u64::from(height) {
        for x in 0..u64::from(width) {
            rgb.extend((0..3).map(|c| ((x * x * 3 + y * y * 5 + x * y * 7 + c * 340) >> 4) as u8));
        }
    }
    Image::from_rgb8(width, height, rgb).unwrap()
}

/// The 8-bit samples that `pixels` was normalised from, planes R, G, B.
fn samples(pixels: &Pixels) -> Vec<u8> {
    let planes = pixels.data.chunks_exact(pixels.size * pixels.size);
    let plane = |(channel, plane): (usize, &[f32])| {
        let sample = |value: &f32| (value * OPENAI_STD[channel] + OPENAI_MEAN[channel]) * 255.0;
        plane.iter().map(|value| sample(value).round() as u8).collect::<Vec<_>>()
    };
    planes.enumerate().flat_map(plane).collect()
}

#[test]
fn clip_matches_pillow_to_the_bit() {
    let bytes = include_bytes!("data/clip_preprocess.safetensors");
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    for (name, tensor) in tensors.iter().filter(|(name, _)| *name != "normalised") {
        let (sides, size) = name.split_once('-').unwrap();
        let (width, height) = sides.split_once('x').unwrap();
        let image = picture(width.parse().unwrap(), height.parse().unwrap());
        let pixels = clip(&image, size.parse().unwrap());
        assert!(samples(&pixels) == tensor.data(), "{name}");
    }
    let expected = floats(tensors.tensor("normalised").unwrap().data());
    let (max, _) = differences(&clip(&picture(64, 48), 32).data, &expected);
    assert!(max < 1e-6, "{max}");
}

#[test]
fn extreme_shapes_need_little_memory() {
    let line = Image::from_rgb8(2_000_000, 1, vec![200; 6_000_000]).unwrap();
    assert!(samples(&clip(&line, 224)).iter().all(|&sample| sample == 200));
    assert_eq!(longest_side(&line, 224, ResizePolicy::Antialias).data.len(), 3 * 224 * 224);
}

proptest! {
    #[test]
    fn constant_pictures_stay_constant(
        width in 1_u32..200,
        height in 1_u32..200,
        size in 1_usize..64,
        rgb in any::<[u8; 3]>(),
    ) {
        let image = Image::from_rgb8(width, height, rgb.repeat((width * height) as usize)).unwrap();
        let cropped = samples(&clip(&image, size));
        let planes = cropped.chunks_exact(size * size).zip(rgb);
        prop_assert!(planes.into_iter().all(|(plane, value)| plane.iter().all(|&s| s == value)));

        let place = Geometry::longest_side(height, width, size);
        for policy in POLICIES {
            let pixels = longest_side(&image, size, policy);
            for (index, value) in pixels.data.iter().enumerate() {
                let (channel, y, x) =
                    (index / (size * size), index / size % size, index % size);
                let inside = (place.pad_left..place.pad_left + place.width).contains(&x)
                    && (place.pad_top..place.pad_top + place.height).contains(&y);
                let sample = if inside { f32::from(rgb[channel]) / 255.0 } else { 0.0 };
                let expected = (sample - OPENAI_MEAN[channel]) / OPENAI_STD[channel];
                prop_assert!((value - expected).abs() < 1e-5, "{policy:?} {index}");
            }
        }
    }

    #[test]
    fn geometry_fills_the_square(h in 1_u32..70_000, w in 1_u32..70_000, size in 1_usize..1000) {
        let place = Geometry::longest_side(h, w, size);
        prop_assert_eq!(place.width.max(place.height), size);
        prop_assert!(place.width >= 1 && place.height >= 1);
        prop_assert_eq!(place.pad_left + place.width + place.pad_right, size);
        prop_assert_eq!(place.pad_top + place.height + place.pad_bottom, size);
        prop_assert!(place.pad_right - place.pad_left <= 1 && place.pad_bottom - place.pad_top <= 1);
    }
}
