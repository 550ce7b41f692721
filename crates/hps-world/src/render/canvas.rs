//! A square picture in floating point.

use hps_core::{Image, Result};

use super::rgb::{Rgb, mix};

/// Pixels in `f32`; positions are shares of the side, (0, 0) is the upper left corner.
pub(crate) struct Canvas {
    side: usize,
    pixels: Vec<Rgb>,
}

/// An upright rectangle in shares of the side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    /// Its middle.
    pub centre: [f32; 2],
    /// Half its width and height.
    pub half: [f32; 2],
}

impl Area {
    /// All of the picture.
    pub(crate) const ALL: Area = Area { centre: [0.5, 0.5], half: [0.5, 0.5] };
}

impl Canvas {
    /// A black canvas of `side` × `side` pixels.
    pub(crate) fn new(side: u32) -> Self {
        let side = side as usize;
        Canvas { side, pixels: vec![[0.0; 3]; side * side] }
    }

    /// The size of a pixel as a share of the side.
    pub(crate) fn pixel(&self) -> f32 {
        1.0 / self.side as f32
    }

    /// Replaces every pixel within `area` by what `change` makes of its place and colour.
    pub(crate) fn update(&mut self, area: Area, mut change: impl FnMut(f32, f32, Rgb) -> Rgb) {
        let pixel = self.pixel();
        let [columns, rows] = [0, 1].map(|axis| {
            let bound = |at: f32| (at * self.side as f32).clamp(0.0, self.side as f32);
            let low = bound(area.centre[axis] - area.half[axis]).floor() as usize;
            low..bound(area.centre[axis] + area.half[axis]).ceil() as usize
        });
        for row in rows {
            let v = (row as f32 + 0.5) * pixel;
            for column in columns.clone() {
                let colour = &mut self.pixels[row * self.side + column];
                *colour = change((column as f32 + 0.5) * pixel, v, *colour);
            }
        }
    }

    /// Paints within `area`: `paint` gives a colour and its opacity at a place.
    pub(crate) fn paint(&mut self, area: Area, mut paint: impl FnMut(f32, f32) -> (Rgb, f32)) {
        self.update(area, |u, v, old| {
            let (colour, opacity) = paint(u, v);
            mix(old, colour, opacity)
        });
    }

    /// The picture in 8 bits, rounded and clamped.
    ///
    /// # Errors
    ///
    /// None for a side of at least 1.
    pub(crate) fn to_image(&self) -> Result<Image> {
        let bytes: Vec<u8> = self.pixels.iter().flatten().map(|&value| to_byte(value)).collect();
        Image::from_rgb8(self.side as u32, self.side as u32, bytes)
    }
}

/// A component in [0, 1] as a byte.
pub(crate) fn to_byte(value: f32) -> u8 {
    (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}
