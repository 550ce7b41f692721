//! The preprocessing of the original CLIP.

use std::ops::Range;

use hps_core::Image;

use super::kernel::{Taps, covered};
use super::pixels::Pixels;

/// Resizes the short side of `image` to `size`, cuts out the middle and
/// normalises: `CLIPImageProcessorPil` of transformers 5, `CLIPImageProcessor` of
/// earlier versions.
///
/// The resize is Pillow's bicubic on 8-bit samples, to the bit: rows first, then
/// columns. (Pillow 13.0 turns the order round for some sizes, which changes
/// samples by at most one; published scores are older.) `size` is the model's
/// input side in pixels, at least 1. Only the part that is kept is
/// computed, so extreme shapes cost no more memory than others.
pub fn clip(image: &Image, size: usize) -> Pixels {
    let cropped = resize_and_crop(image, size);
    let mut pixels = Pixels::black(size);
    for (y, row) in cropped.chunks_exact(3 * size).enumerate() {
        for (x, rgb) in row.chunks_exact(3).enumerate() {
            let rgb = [rgb[0], rgb[1], rgb[2]].map(|sample| f32::from(sample) / 255.0);
            pixels.set(x, y, rgb);
        }
    }
    pixels
}

/// `size` × `size` pixels of R, G, B.
fn resize_and_crop(image: &Image, size: usize) -> Vec<u8> {
    let columns = middle_taps(image.width(), image.height(), size);
    let rows = middle_taps(image.height(), image.width(), size);
    let first = rows.iter().map(|taps| taps.start).min().unwrap_or(0);
    let last = rows.iter().map(Taps::end).max().unwrap_or(0);

    let row_bytes = 3 * image.width() as usize;
    let used = &image.as_rgb8()[first * row_bytes..last * row_bytes];
    let mut narrow = Vec::with_capacity(3 * size * (last - first));
    for row in used.chunks_exact(row_bytes) {
        for taps in &columns {
            narrow.extend(weigh(&taps.weights, &row[3 * taps.start..], 3));
        }
    }
    let mut output = Vec::with_capacity(3 * size * size);
    for taps in &rows {
        let top = &narrow[3 * size * (taps.start - first)..];
        for x in 0..size {
            output.extend(weigh(&taps.weights, &top[3 * x..], 3 * size));
        }
    }
    output
}

/// Pillow's weights for 8-bit samples: whole numbers of 2^-22 (`Resample.c`: 32
/// bits less 8 for the sample and 2 for the sum).
type FixedTaps = Taps<i32>;

const PRECISION_BITS: u32 = 22;

/// Taps of the middle `size` samples along an axis of `length`, when the shorter
/// of `length` and `other` becomes `size`.
fn middle_taps(length: u32, other: u32, size: usize) -> Vec<FixedTaps> {
    let output = resized_side(length, other, size);
    let scale = f64::from(length) / output as f64;
    middle(output, size).map(|index| pillow_taps(length as usize, scale, index)).collect()
}

/// `precompute_coeffs` and `normalize_coeffs_8bpc` of Pillow's `Resample.c` with
/// its bicubic filter.
fn pillow_taps(input: usize, scale: f64, index: u64) -> FixedTaps {
    let stretch = scale.max(1.0);
    let center = (index as f64 + 0.5) * scale;
    let covered = covered(input, center, 2.0 * stretch);
    let inverse = 1.0 / stretch;
    let start = covered.start;
    let weights: Vec<f64> = covered.map(|x| bicubic((x as f64 - center + 0.5) * inverse)).collect();
    let sum: f64 = weights.iter().sum();
    let fixed = |weight: f64| (weight / sum * f64::from(1 << PRECISION_BITS)).round() as i32;
    Taps { start, weights: weights.into_iter().map(fixed).collect() }
}

/// Pillow's `bicubic_filter`: cubic convolution with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The weighted sum of the pixels of `bytes`, which are `stride` bytes apart.
fn weigh(weights: &[i32], bytes: &[u8], stride: usize) -> [u8; 3] {
    let mut sums = [1_i32 << (PRECISION_BITS - 1); 3];
    for (pixel, &weight) in bytes.chunks(stride).zip(weights) {
        for (sum, &sample) in sums.iter_mut().zip(pixel) {
            *sum += weight * i32::from(sample);
        }
    }
    sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8)
}

/// transformers' `get_resize_output_image_size` for one side: the short side
/// becomes `size`, the long one keeps the aspect ratio and is rounded down.
fn resized_side(length: u32, other: u32, size: usize) -> u64 {
    if length <= other {
        size as u64
    } else {
        (size as f64 * f64::from(length) / f64::from(other)) as u64
    }
}

/// The middle `size` of `length` samples; the odd one out is left at the end.
fn middle(length: u64, size: usize) -> Range<u64> {
    let start = (length - size as u64) / 2;
    start..start + size as u64
}
