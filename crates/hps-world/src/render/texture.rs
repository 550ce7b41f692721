//! Smooth noise.

use crate::hash::cell;

/// A number in [-1, 1] for a cell of a grid.
pub(crate) fn cell_noise(key: u32, x: i32, y: i32) -> f32 {
    (cell(key, x, y) >> 8) as f32 * (2.0 / (1u32 << 24) as f32) - 1.0
}

/// Value noise: random numbers in [-1, 1] at whole coordinates, smooth in between.
pub(crate) fn smooth_noise(key: u32, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let fade = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (fade(x - left), fade(y - top));
    let (left, top) = (left as i32, top as i32);
    let row = |y: i32| {
        let (a, b) = (cell_noise(key, left, y), cell_noise(key, left + 1, y));
        a + (b - a) * fx
    };
    let (upper, lower) = (row(top), row(top + 1));
    upper + (lower - upper) * fy
}

/// Two octaves of [`smooth_noise`], in [-1, 1].
pub(crate) fn cloudy_noise(key: u32, x: f32, y: f32) -> f32 {
    (smooth_noise(key, x, y) * 2.0 + smooth_noise(key ^ 0x5bd1, x * 2.1, y * 2.1)) / 3.0
}

/// A number with mean 0 and variance 1 for a cell, close to normal: the sum of the
/// four bytes of its hash.
pub(crate) fn grain(key: u32, x: i32, y: i32) -> f32 {
    let sum: u32 = cell(key, x, y).to_le_bytes().iter().map(|&byte| u32::from(byte)).sum();
    // Each byte has mean 127.5 and variance (256^2 - 1) / 12.
    (sum as f32 - 510.0) / 147.8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_continuous() {
        for step in 0..2000 {
            let (x, y) = (step as f32 * 0.013 - 9.0, step as f32 * 0.007 - 5.0);
            let value = cloudy_noise(7, x, y);
            assert!(value.abs() <= 1.0);
            assert!((value - cloudy_noise(7, x + 0.001, y)).abs() < 0.02);
        }
    }

    #[test]
    fn grain_has_unit_variance() {
        let values: Vec<f32> = (0..10_000).map(|i| grain(3, i % 100, i / 100)).collect();
        let mean = values.iter().sum::<f32>() / 1e4;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
