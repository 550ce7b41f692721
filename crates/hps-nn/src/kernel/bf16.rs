//! Rounding to bf16, the upper half of an `f32`.

/// The bits of the nearest bf16, ties to even; NaN stays NaN.
#[inline(always)]
pub(super) fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    let quiet = (bits >> 16) as u16 | 0x40;
    if x.is_nan() { quiet } else { rounded }
}

/// The value of bf16 `bits`.
#[cfg(any(test, target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// `x` as a sum of two bf16: its first 8 bits of precision and, rounded, the next 8. A
/// half float is exactly such a sum. What is not finite has no second part.
#[cfg(any(test, target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn split(x: f32) -> (u16, u16) {
    let high = round(x);
    let rest = x - widen(high);
    (high, if rest.is_finite() { round(rest) } else { 0 })
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn rounding_is_to_nearest_even() {
        let specials = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, f32::MIN_POSITIVE, 1e-40];
        let steps = (0..1 << 16).map(|i| f32::from_bits(i * 0xfffd));
        for x in steps.chain(specials) {
            let ours = round(x);
            assert_eq!(widen(ours).is_nan(), x.is_nan());
            if !x.is_nan() {
                assert_eq!(ours, bf16::from_f32(x).to_bits(), "{x:e}");
            }
        }
    }

    #[test]
    fn half_floats_split_exactly() {
        for bits in 0..=u16::MAX {
            let x = f16::from_bits(bits).to_f32();
            let (high, low) = split(x);
            let sum = widen(high) + widen(low);
            assert!(sum == x || (x.is_nan() && sum.is_nan()), "{x:e}");
        }
    }
}
