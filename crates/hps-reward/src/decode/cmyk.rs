//! From ink to light.

/// R, G, B of C, M, Y, K, where 0 is no ink: the integer formula of Pillow's
/// `cmyk2rgb` (`Convert.c`), without a colour profile.
pub(super) fn to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - k;
    [c, m, y].map(|ink| light - multiply(ink, light))
}

/// `a * b / 255`, rounded; never more than `b`.
fn multiply(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    (((product >> 8) + product) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_exact() {
        assert_eq!(to_rgb([0, 0, 0, 0]), [255, 255, 255]);
        assert_eq!(to_rgb([255, 0, 0, 0]), [0, 255, 255]);
        assert_eq!(to_rgb([9, 9, 9, 255]), [0, 0, 0]);
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), (f64::from(a) * f64::from(b) / 255.0).round() as u8);
            }
        }
    }
}
