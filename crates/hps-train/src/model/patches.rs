//! Pictures cut into patches.

use candle_core::{Device, Result, Tensor, bail};
use hps_clip::VisionConfig;
use rayon::prelude::*;

/// The patches of `pictures`, each of `3 * size * size` values (channel, row,
/// column), as rows `[pictures * patches, 3 * patch * patch]`: what a convolution
/// whose stride is its kernel's size reads, in the order of its weights.
pub(super) fn patches(
    config: &VisionConfig,
    pictures: &[&[f32]],
    device: &Device,
) -> Result<Tensor> {
    let VisionConfig { image_size: size, patch_size: patch, .. } = *config;
    let expected = 3 * size * size;
    if let Some(wrong) = pictures.iter().find(|picture| picture.len() != expected) {
        bail!("a picture of {} values where 3x{size}x{size} are expected", wrong.len())
    }
    let grid = size / patch;
    let row = 3 * patch * patch;
    let mut rows = vec![0f32; pictures.len() * grid * grid * row];
    rows.par_chunks_mut((grid * grid * row).max(1)).zip(pictures).for_each(|(rows, picture)| {
        for (index, row) in rows.chunks_exact_mut(row).enumerate() {
            let (top, left) = (index / grid * patch, index % grid * patch);
            for (line, values) in row.chunks_exact_mut(patch).enumerate() {
                let (channel, y) = (line / patch, top + line % patch);
                let start = (channel * size + y) * size + left;
                values.copy_from_slice(&picture[start..start + patch]);
            }
        }
    });
    Tensor::from_vec(rows, (pictures.len() * grid * grid, row), device)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_clip::ClipConfig;

    use super::*;

    #[test]
    fn patches_are_what_a_convolution_reads() {
        let config = VisionConfig { image_size: 4, patch_size: 2, ..ClipConfig::vit_h_14().vision };
        let picture: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let rows = patches(&config, &[&picture, &picture], &Device::Cpu).unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        assert_eq!(rows.len(), 8);
        // Top right: columns 2 and 3 of rows 0 and 1, in every channel.
        let corner = [2.0, 3.0, 6.0, 7.0];
        let expected: Vec<f32> = [0.0, 16.0, 32.0]
            .iter()
            .flat_map(|channel| corner.iter().map(move |value| value + channel))
            .collect();
        assert_eq!(rows[1], expected);
        assert_eq!(rows[5], expected);
        assert!(patches(&config, &[&picture[1..]], &Device::Cpu).is_err());
    }
}
