//! The preprocessing of the `hpsv2` package.

use hps_core::Image;

use super::geometry::Geometry;
use super::kernel::{ResizePolicy, Taps};
use super::pixels::Pixels;

/// Resizes the long side of `image` to `size`, pads to a square with black and
/// normalises: `image_transform(..., resize_longest_max=True)` of `hpsv2`.
///
/// The resize runs on floats and does not clamp, so overshoot of the bicubic
/// kernel survives. Padding comes before normalising, so it is black, not grey.
///
/// `size` is the model's input side in pixels, at least 1. Memory beyond the
/// result is one row of the picture, whatever its size.
pub fn longest_side(image: &Image, size: usize, policy: ResizePolicy) -> Pixels {
    let geometry = Geometry::longest_side(image.height(), image.width(), size);
    let resized = resize(image, geometry.height, geometry.width, policy);
    let mut pixels = Pixels::black(size);
    for (y, row) in resized.chunks_exact(geometry.width).enumerate() {
        for (x, sums) in row.iter().enumerate() {
            let rgb = [sums[0] / 255.0, sums[1] / 255.0, sums[2] / 255.0];
            pixels.set(geometry.pad_left + x, geometry.pad_top + y, rgb);
        }
    }
    pixels
}

/// One pixel as R, G, B and an unused lane, which lets the compiler use one
/// vector instruction per tap.
type Lanes = [f32; 4];

/// `height` rows of `width` pixels, in units of 1/255.
///
/// Source rows are read once, from top to bottom: each is shrunk horizontally
/// and then added to the output rows that it takes part in.
fn resize(image: &Image, height: usize, width: usize, policy: ResizePolicy) -> Vec<Lanes> {
    let (image_width, image_height) = (image.width() as usize, image.height() as usize);
    let columns = policy.taps(image_width, width);
    let rows = policy.taps(image_height, height);

    let mut output = vec![[0.0; 4]; height * width];
    let mut source = vec![[0.0; 4]; image_width];
    let mut shrunk = vec![[0.0; 4]; width];
    let mut first = 0;
    for (y, bytes) in image.as_rgb8().chunks_exact(3 * image_width).enumerate() {
        while rows.get(first).is_some_and(|taps| taps.end() <= y) {
            first += 1;
        }
        let mut users = users_of(&rows, first, y).peekable();
        if users.peek().is_none() {
            continue;
        }
        widen(bytes, &mut source);
        shrink_row(&source, &columns, &mut shrunk);
        for (index, weight) in users {
            let target = &mut output[index * width..][..width];
            for (sum, pixel) in target.iter_mut().zip(&shrunk) {
                add_scaled(sum, pixel, weight);
            }
        }
    }
    output
}

/// The output rows from `first` on that use source row `y`, with their weights.
fn users_of(rows: &[Taps<f32>], first: usize, y: usize) -> impl Iterator<Item = (usize, f32)> {
    let following = rows.iter().enumerate().skip(first);
    following.take_while(move |(_, taps)| taps.start <= y).filter_map(move |(index, taps)| {
        taps.weights.get(y - taps.start).map(|&weight| (index, weight))
    })
}

fn widen(bytes: &[u8], pixels: &mut [Lanes]) {
    for (rgb, pixel) in bytes.chunks_exact(3).zip(pixels) {
        *pixel = [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2]), 0.0];
    }
}

fn shrink_row(source: &[Lanes], columns: &[Taps<f32>], shrunk: &mut [Lanes]) {
    for (taps, output) in columns.iter().zip(shrunk) {
        let mut sum = [0.0; 4];
        for (pixel, &weight) in source[taps.start..].iter().zip(&taps.weights) {
            add_scaled(&mut sum, pixel, weight);
        }
        *output = sum;
    }
}

#[inline(always)]
fn add_scaled(sum: &mut Lanes, pixel: &Lanes, weight: f32) {
    for (sum, value) in sum.iter_mut().zip(pixel) {
        *sum += weight * value;
    }
}
