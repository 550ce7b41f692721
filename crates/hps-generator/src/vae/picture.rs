//! From the decoder's numbers to bytes.

use candle_core::Tensor;
use hps_core::{Error, ErrorKind, Image, Result};
use hps_nn::model_error;

/// The picture of `pixels: [3, height, width]`: values in [-1, 1] become bytes in
/// 0…255, halves rounded to even, values outside cut off, as in diffusers.
///
/// # Errors
///
/// [`ErrorKind::NotFinite`] if a value is NaN or infinite.
pub fn to_image(pixels: &Tensor) -> Result<Image> {
    let (channels, height, width) = pixels.dims3().map_err(model_error)?;
    let planes: Vec<f32> =
        pixels.flatten_all().and_then(|pixels| pixels.to_vec1()).map_err(model_error)?;
    if planes.iter().any(|value| !value.is_finite()) {
        return Err(Error::new(
            ErrorKind::NotFinite,
            "the decoded picture has values that are not finite",
        )
        .with_hint(
            "Check the model's weights, or use other settings (fewer steps, less guidance).",
        ));
    }
    let area = height * width;
    let mut rgb = Vec::with_capacity(planes.len());
    for pixel in 0..area {
        rgb.extend(planes.iter().skip(pixel).step_by(area.max(1)).take(channels).map(|&v| byte(v)));
    }
    Image::from_rgb8(width as u32, height as u32, rgb)
}

fn byte(value: f32) -> u8 {
    let unit = (value / 2.0 + 0.5).clamp(0.0, 1.0);
    (unit * 255.0).round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;

    #[test]
    fn planes_become_pixels() {
        let planes = [-1f32, 1.0, -2.0, 2.0, 0.0, 0.5];
        let pixels = Tensor::from_slice(&planes, (3, 1, 2), &Device::Cpu).unwrap();
        let image = to_image(&pixels).unwrap();
        assert_eq!((image.width(), image.height()), (2, 1));
        // 127.5 rounds to the even 128; 191.25 down.
        assert_eq!(image.as_rgb8(), [0, 0, 128, 255, 255, 191]);
    }

    #[test]
    fn values_without_meaning_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let pixels = Tensor::from_slice(&[0.0, bad, 0.0], (3, 1, 1), &Device::Cpu).unwrap();
            assert_eq!(to_image(&pixels).unwrap_err().kind(), ErrorKind::NotFinite);
        }
    }
}
