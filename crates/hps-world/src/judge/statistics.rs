//! What a whole picture looks like, in a few numbers.
//!
//! Bands of rows give the colours of the background: their medians do not mind objects.
//! Quantiles of first and second differences tell flat colours from gradients, strokes
//! and grain; the darkest pixels tell outlines.

use crate::damage::Pixels;
use crate::render::rgb::{Rgb, luma};

/// How many numbers there are.
pub(super) const COUNT: usize = 12 + 4 + 3 + 2 + 2 + 3 + 2;

/// Bands of rows, as shares of the height.
const BANDS: [(f32, f32); 4] = [(0.0, 0.15), (0.2, 0.38), (0.6, 0.8), (0.85, 1.0)];

/// The statistics of a picture: see the module.
pub(super) fn statistics(pixels: &Pixels) -> [f32; COUNT] {
    let brightness = Plane::of(pixels, luma);
    let colourfulness = Plane::of(pixels, |[red, _, blue]| red - blue);
    let coarse = brightness.halved().halved();
    let mut values = Vec::with_capacity(COUNT);
    for (from, to) in BANDS {
        values.extend(band(pixels, from, to));
    }
    values.extend(logarithms(brightness.second_differences(), &[0.25, 0.5, 0.75, 0.95]));
    values.extend(logarithms(brightness.first_differences(), &[0.25, 0.5, 0.9]));
    values.extend(logarithms(colourfulness.second_differences(), &[0.5, 0.8]));
    values.extend(logarithms(brightness.halved().second_differences(), &[0.3, 0.6]));
    values.extend(logarithms(coarse.second_differences(), &[0.3, 0.6, 0.9]));
    let mut sorted = brightness.values;
    values.extend([0.03, 0.97].map(|share| quantile(&mut sorted, share)));
    std::array::from_fn(|index| values.get(index).copied().unwrap_or(0.0))
}

/// The median of every component in a band of rows.
fn band(pixels: &Pixels, from: f32, to: f32) -> Rgb {
    let row = |share: f32| (share * pixels.height as f32) as usize * pixels.width;
    let band = &pixels.values[row(from)..row(to)];
    std::array::from_fn(|c| {
        let mut values: Vec<f32> = band.iter().map(|colour| colour[c]).collect();
        quantile(&mut values, 0.5)
    })
}

fn logarithms(mut values: Vec<f32>, shares: &[f32]) -> Vec<f32> {
    // A third of a step of 8 bits keeps the logarithm of nothing finite.
    shares.iter().map(|&share| libm::logf(quantile(&mut values, share) + 0.0013)).collect()
}

fn quantile(values: &mut [f32], share: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let index = ((values.len() - 1) as f32 * share) as usize;
    *values.select_nth_unstable_by(index, f32::total_cmp).1
}

/// One number for every pixel.
struct Plane {
    width: usize,
    values: Vec<f32>,
}

impl Plane {
    fn of(pixels: &Pixels, value: impl Fn(Rgb) -> f32) -> Self {
        let values = pixels.values.iter().map(|&colour| value(colour)).collect();
        Plane { width: pixels.width, values }
    }

    /// Means of two by two values.
    fn halved(&self) -> Plane {
        let width = self.width / 2;
        let rows: Vec<&[f32]> = self.values.chunks_exact(self.width).collect();
        let (pairs, _) = rows.as_chunks::<2>();
        let mean = |&[upper, lower]: &[&[f32]; 2], x: usize| {
            0.25 * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1])
        };
        let values = pairs.iter().flat_map(|pair| (0..width).map(move |x| mean(pair, x))).collect();
        Plane { width, values }
    }

    /// How far each inner value is from the mean of its four neighbours.
    fn second_differences(&self) -> Vec<f32> {
        let width = self.width;
        let inner = |&at: &usize| {
            let column = at % width;
            column > 0 && column + 1 < width
        };
        let difference = |at: usize| {
            let around = self.values[at - 1]
                + self.values[at + 1]
                + self.values[at - width]
                + self.values[at + width];
            (self.values[at] - 0.25 * around).abs()
        };
        let last = self.values.len().saturating_sub(width);
        (width..last).filter(inner).map(difference).collect()
    }

    /// How far each value is from the one to its right.
    fn first_differences(&self) -> Vec<f32> {
        let rows = self.values.chunks_exact(self.width);
        rows.flat_map(|row| row.windows(2).map(|pair| (pair[1] - pair[0]).abs())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_has_flat_statistics() {
        let pixels = Pixels { width: 40, height: 40, values: vec![[0.5, 0.25, 0.75]; 1600] };
        let values = statistics(&pixels);
        assert_eq!(values[..3], [0.5, 0.25, 0.75]);
        assert!(values[12..26].iter().all(|&value| value == libm::logf(0.0013)), "{values:?}");
        assert_eq!(values[26], luma([0.5, 0.25, 0.75]));
    }

    #[test]
    fn planes_halve_and_differ() {
        let plane = Plane { width: 4, values: (0..16).map(|value| value as f32).collect() };
        assert_eq!(plane.halved().values, [2.5, 4.5, 10.5, 12.5]);
        assert_eq!(plane.second_differences(), [0.0; 4]);
        assert_eq!(plane.first_differences(), [1.0; 12]);
    }
}
