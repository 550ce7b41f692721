//! Convolutions by every tile.

use candle_core::{Device, Tensor};

use super::super::conv::convolve;
use super::super::conv_geometry::Geometry;
use super::super::filters::{Filters, Pictures};
use super::super::tail::Tail;
use super::*;

/// A geometry and the numbers of pictures and filters.
struct Case {
    geometry: Geometry,
    batch: usize,
    outputs: usize,
}

/// What every output pixel of every picture looks at: `[batch, pixels, inner]`.
fn seen(case: &Case, pictures: &[f32]) -> Vec<f32> {
    let Geometry { height, width, kernel, stride, before, out_width, .. } = case.geometry;
    let mut all = Vec::new();
    for picture in pictures.chunks(case.geometry.picture_len()) {
        for pixel in 0..case.geometry.pixels() {
            for tap in 0..case.geometry.inner() {
                let (channel, tap) = (tap / kernel / kernel, tap % (kernel * kernel));
                let y = (pixel / out_width * stride + tap / kernel).wrapping_sub(before);
                let x = (pixel % out_width * stride + tap % kernel).wrapping_sub(before);
                let inside = y < height && x < width;
                all.push(if inside { picture[(channel * height + y) * width + x] } else { 0.0 });
            }
        }
    }
    all
}

impl Check for Case {
    fn check<T: Tile>(&self, tile: T, numbers: Numbers) {
        let (inner, pixels) = (self.geometry.inner(), self.geometry.pixels());
        let mut random = Random(7);
        let values = random.floats(self.batch * self.geometry.picture_len());
        let weight = random.floats(self.outputs * inner);
        let pictures = Pictures { values: &values, batch: self.batch, geometry: self.geometry };
        let shape = (self.outputs, inner);
        let tensor = Tensor::from_slice(&weight, shape, &Device::Cpu).unwrap();
        let filters = Filters::new(tile, &tensor).unwrap();
        let mut out = vec![f32::NAN; self.batch * self.outputs * pixels];
        convolve(tile, &filters, pictures, None, &Tail::default(), &mut out).unwrap();
        let seen = seen(self, &values);
        for (out, seen) in out.chunks(self.outputs * pixels).zip(seen.chunks(pixels * inner)) {
            for (ours, (exact, size)) in out.iter().zip(exact(numbers, inner, &weight, seen)) {
                let off = (f64::from(*ours) - exact).abs();
                assert!(off <= tolerance(numbers, inner, size), "{numbers:?} {ours} {exact}");
            }
        }
    }
}

#[test]
fn convolutions_are_products() {
    let same = Geometry {
        channels: 40,
        height: 9,
        width: 13,
        kernel: 3,
        stride: 1,
        before: 1,
        out_height: 9,
        out_width: 13,
    };
    let halving =
        Geometry { channels: 3, stride: 2, before: 0, out_height: 5, out_width: 6, ..same };
    let pointwise = Geometry { kernel: 1, before: 0, ..same };
    for geometry in [same, halving, pointwise] {
        each_tile(&Case { geometry, batch: 2, outputs: 37 });
    }
}
