//! Ways to spoil a finished picture.

use std::fmt;

use hps_core::{Image, Result, Seed};
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, Stream};
use crate::render::canvas::to_byte;
use crate::render::rgb::{Rgb, mix};
use crate::render::texture::grain;

/// What was done to a picture. Each comes in three levels, 1 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// Coloured noise in every pixel.
    Noise,
    /// Out of focus.
    Blur,
    /// Squares of one colour, as strong compression leaves them.
    Blocks,
    /// Much too little light.
    Dark,
    /// Much too much light.
    Bright,
    /// Few levels of every component.
    Banding,
}

/// The strongest level of damage.
pub const MAX_LEVEL: u8 = 3;

impl Damage {
    /// Every kind.
    pub const ALL: [Damage; 6] = [
        Damage::Noise,
        Damage::Blur,
        Damage::Blocks,
        Damage::Dark,
        Damage::Bright,
        Damage::Banding,
    ];

    /// The name used in files.
    pub fn id(self) -> &'static str {
        match self {
            Damage::Noise => "noise",
            Damage::Blur => "blur",
            Damage::Blocks => "blocks",
            Damage::Dark => "dark",
            Damage::Bright => "bright",
            Damage::Banding => "banding",
        }
    }

    /// `image` after damage of `level`, which is taken as 1 to [`MAX_LEVEL`]; `seed`
    /// decides about noise. Widths are shares of the side, so that pictures of all
    /// sizes suffer alike.
    ///
    /// # Errors
    ///
    /// None: the result has the size of `image`.
    pub fn apply(self, image: &Image, level: u8, seed: Seed) -> Result<Image> {
        let step = usize::from(level.clamp(1, MAX_LEVEL)) - 1;
        let mut pixels = Pixels::from(image);
        let unit = pixels.width as f32 / 64.0;
        match self {
            Damage::Noise => pixels.noise([0.09, 0.17, 0.28][step], seed),
            Damage::Blur => pixels.blur([1.3, 2.1, 3.4][step] * unit),
            Damage::Blocks => pixels.blocks(([4.0, 6.0, 9.0][step] * unit) as usize),
            Damage::Dark => pixels.map(|value| value * [0.45, 0.28, 0.15][step]),
            Damage::Bright => {
                pixels.map(|value| value * [1.5, 1.9, 2.4][step] + [0.12, 0.2, 0.3][step]);
            }
            Damage::Banding => {
                let levels = [4.0, 3.0, 2.0][step] - 1.0;
                pixels.map(|value| (value * levels + 0.5).floor() / levels);
            }
        }
        pixels.to_image()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A picture in floating point, values in [0, 1].
#[derive(Clone)]
pub(crate) struct Pixels {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row after row.
    pub values: Vec<Rgb>,
}

impl From<&Image> for Pixels {
    fn from(image: &Image) -> Self {
        let (pixels, _) = image.as_rgb8().as_chunks::<3>();
        let values = pixels.iter().map(|rgb| rgb.map(|byte| f32::from(byte) / 255.0)).collect();
        Pixels { width: image.width() as usize, height: image.height() as usize, values }
    }
}

impl Pixels {
    /// The picture in 8 bits.
    pub(crate) fn to_image(&self) -> Result<Image> {
        let bytes: Vec<u8> = self.values.iter().flatten().map(|&value| to_byte(value)).collect();
        Image::from_rgb8(self.width as u32, self.height as u32, bytes)
    }

    /// Adds noise of standard deviation `sigma` to every component.
    pub(crate) fn noise(&mut self, sigma: f32, seed: Seed) {
        let key = Stream::new(seed, 0, Purpose::Damage).bits();
        for (index, value) in self.values.iter_mut().flatten().enumerate() {
            *value += sigma * grain(key, index as i32, 0);
        }
    }

    /// A Gaussian blur of standard deviation `sigma` pixels; the border is repeated.
    pub(crate) fn blur(&mut self, sigma: f32) {
        let reach = (2.5 * sigma).ceil() as isize;
        let weight = |at: isize| libm::expf(-0.5 * (at as f32 / sigma) * (at as f32 / sigma));
        let weights: Vec<f32> = (-reach..=reach).map(weight).collect();
        let total: f32 = weights.iter().sum();
        let (width, height) = (self.width as isize, self.height as isize);
        for (dx, dy) in [(1, 0), (0, 1)] {
            let old = self.values.clone();
            let average = |index: usize| {
                let (x, y) = (index as isize % width, index as isize / width);
                let mut sum = [0.0; 3];
                for (at, weight) in (-reach..=reach).zip(&weights) {
                    let (x, y) = (x + dx * at, y + dy * at);
                    let from = y.clamp(0, height - 1) * width + x.clamp(0, width - 1);
                    let colour = old[from as usize];
                    sum = std::array::from_fn(|c| sum[c] + weight / total * colour[c]);
                }
                sum
            };
            self.values = (0..old.len()).map(average).collect();
        }
    }

    /// Squares of `side` pixels move most of the way to their mean.
    fn blocks(&mut self, side: usize) {
        let side = side.max(2);
        for top in (0..self.height).step_by(side) {
            for left in (0..self.width).step_by(side) {
                let rows = top..(top + side).min(self.height);
                let columns = left..(left + side).min(self.width);
                let cells = || rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y)));
                let count = (rows.len() * columns.len()) as f32;
                let mut mean = [0.0; 3];
                for (x, y) in cells() {
                    let colour = self.values[y * self.width + x];
                    mean = std::array::from_fn(|c| mean[c] + colour[c] / count);
                }
                for (x, y) in cells() {
                    let colour = &mut self.values[y * self.width + x];
                    *colour = mix(*colour, mean, 0.85);
                }
            }
        }
    }

    /// The picture as `side` × `side` pixels, each the mean of the area it covers.
    pub(crate) fn resized(self, side: usize) -> Self {
        if (self.width, self.height) == (side, side) {
            return self;
        }
        let rows: Vec<Rgb> =
            self.values.chunks_exact(self.width).flat_map(|row| area_means(row, side)).collect();
        let columns: Vec<Vec<Rgb>> = (0..side)
            .map(|column| {
                let column: Vec<Rgb> = rows.iter().skip(column).step_by(side).copied().collect();
                area_means(&column, side)
            })
            .collect();
        let values = (0..side * side).map(|index| columns[index % side][index / side]).collect();
        Pixels { width: side, height: side, values }
    }

    fn map(&mut self, change: impl Fn(f32) -> f32) {
        self.values.iter_mut().flatten().for_each(|value| *value = change(*value));
    }
}

/// `count` colours, each the mean of an equal share of `colours`.
fn area_means(colours: &[Rgb], count: usize) -> Vec<Rgb> {
    let scale = colours.len() as f32 / count as f32;
    let mean = |index: usize| {
        let (from, to) = (index as f32 * scale, (index + 1) as f32 * scale);
        let last = (to.ceil() as usize).min(colours.len());
        let (mut sum, mut total) = ([0.0; 3], 0.0);
        for (at, colour) in colours.iter().enumerate().take(last).skip(from as usize) {
            let weight = (to.min(at as f32 + 1.0) - from.max(at as f32)).max(0.0);
            sum = std::array::from_fn(|c| sum[c] + weight * colour[c]);
            total += weight;
        }
        sum.map(|value| value / total)
    };
    (0..count).map(mean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scene::SceneSpec;

    #[test]
    fn every_level_does_more_harm() {
        for index in 0..6 {
            let scene = SceneSpec::draw(&mut Stream::new(Seed(index), 0, Purpose::Picture));
            let image = crate::render(&scene, Seed(index), 64).unwrap();
            for damage in Damage::ALL {
                let harm: Vec<f64> = (1..=MAX_LEVEL)
                    .map(|level| {
                        let spoiled = damage.apply(&image, level, Seed(1)).unwrap();
                        let bytes = spoiled.as_rgb8().iter().zip(image.as_rgb8());
                        bytes.map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum()
                    })
                    .collect();
                assert!(harm[0] > 0.0, "{damage} {scene:?}");
                assert!(harm[0] < harm[1] && harm[1] < harm[2], "{damage} {harm:?} {scene:?}");
            }
        }
    }

    #[test]
    fn blur_keeps_flat_pictures() {
        let image = Image::from_rgb8(5, 3, vec![77; 45]).unwrap();
        assert_eq!(Damage::Blur.apply(&image, 3, Seed(0)).unwrap(), image);
    }
}
