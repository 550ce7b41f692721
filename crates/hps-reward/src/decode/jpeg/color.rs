//! From components to RGB with libjpeg's fixed-point tables.

use super::super::cmyk;
use super::super::raster::Raster;
use super::frame::Frame;
use super::upsample::Upsampler;

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColorSpace {
    Gray,
    Rgb,
    YCbCr,
    /// Inverted, as Adobe writes it and Pillow always assumes.
    Cmyk,
    /// Inverted CMYK of which C, M and Y went through the YCbCr transform.
    Ycck,
}

/// Fills `raster` from the samples of a complete frame.
pub(super) fn convert(frame: &Frame, space: ColorSpace, raster: &mut Raster) {
    let mut channels: Vec<_> =
        frame.components.iter().map(|component| Upsampler::new(frame, component)).collect();
    let tables = Tables::new();
    for y in 0..frame.height {
        let rows: Vec<&[u8]> = channels.iter_mut().map(|channel| channel.row(y)).collect();
        match (space, rows.as_slice()) {
            (ColorSpace::Gray, [gray, ..]) => {
                raster.extend_gray(gray.iter().copied().take(frame.width));
            }
            (ColorSpace::Rgb, [r, g, b, ..]) => {
                raster.extend_pixels((0..frame.width).map(|x| [r[x], g[x], b[x]]));
            }
            (ColorSpace::YCbCr, [luma, cb, cr, ..]) => {
                let pixel = |x: usize| tables.rgb(luma[x], cb[x], cr[x]);
                raster.extend_pixels((0..frame.width).map(pixel));
            }
            (ColorSpace::Cmyk, [c, m, yellow, k]) => {
                let ink = |x: usize| [c[x], m[x], yellow[x], k[x]].map(|sample| 255 - sample);
                raster.extend_pixels((0..frame.width).map(|x| cmyk::to_rgb(ink(x))));
            }
            (ColorSpace::Ycck, [luma, cb, cr, k]) => {
                // libjpeg turns the RGB of the first three into its complement, and
                // Pillow inverts that again.
                let ink = |x: usize| {
                    let [c, m, y] = tables.rgb(luma[x], cb[x], cr[x]);
                    [c, m, y, 255 - k[x]]
                };
                raster.extend_pixels((0..frame.width).map(|x| cmyk::to_rgb(ink(x))));
            }
            // `Metadata::color_space` chooses by the number of components.
            _ => {}
        }
    }
}

/// The products of `jdcolor.c`'s `build_ycc_rgb_table`, in 2^-16.
struct Tables {
    red_cr: [i32; 256],
    blue_cb: [i32; 256],
    green_cr: [i32; 256],
    green_cb: [i32; 256],
}

impl Tables {
    fn new() -> Self {
        const HALF: i32 = 1 << 15;
        let table = |factor: i32, bias: i32| -> [i32; 256] {
            std::array::from_fn(|sample| factor * (sample as i32 - 128) + bias)
        };
        Tables {
            red_cr: table(91_881, HALF).map(|value| value >> 16),
            blue_cb: table(116_130, HALF).map(|value| value >> 16),
            green_cr: table(-46_802, 0),
            green_cb: table(-22_554, HALF),
        }
    }

    fn rgb(&self, luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (luma, cb, cr) = (i32::from(luma), usize::from(cb), usize::from(cr));
        let green = (self.green_cb[cb] + self.green_cr[cr]) >> 16;
        [luma + self.red_cr[cr], luma + green, luma + self.blue_cb[cb]]
            .map(|value| value.clamp(0, 255) as u8)
    }
}
