//! Elementary functions without branches, which the compiler vectorises when they are
//! inlined into a [`Routine`](super::Routine).
//!
//! `FMA` is the flag of `Routine::run`. Coefficients were fitted in `f64` by weighted
//! least squares with Lawson's reweighting (the weights of points are multiplied by
//! their errors until all extrema are equal, which minimises the largest *relative*
//! error), and rounded to `f32`.

use super::vector::multiply_add;

/// 1.5 * 2^23: adding it rounds to an integer, which stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 = `LN_2_HIGH - LN_2_REST`; multiples of the first by a small integer are exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_REST: f32 = 2.121_944_4e-4;

/// `e^x`, within 1.5 units in the last place; subnormal results included. Infinities
/// and NaN are those of [`f32::exp`].
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Comparisons in this direction keep NaN.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let rounded = multiply_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = multiply_add::<FMA>(n, -LN_2_HIGH, x);
    let r = multiply_add::<FMA>(n, LN_2_REST, r);
    // e^r on +-ln(2)/2, relative error 3e-9.
    let p = multiply_add::<FMA>(r, 1.381_459_9e-3, 8.368_717e-3);
    let p = multiply_add::<FMA>(r, p, 4.166_839e-2);
    let p = multiply_add::<FMA>(r, p, 0.166_665_21);
    let p = multiply_add::<FMA>(r, p, 0.499_999_94);
    let p = multiply_add::<FMA>(r * r, p, r) + 1.0;
    // 2^n in two factors, since n goes from -150 to 128.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2^n for n from -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x * Φ(x)`, where `Φ` is the distribution function of the normal distribution; 0 at
/// minus infinity. Within 3 units in the last place from 0 up, and 5e-8 below.
#[inline(always)]
pub(crate) fn gelu<const FMA: bool>(x: f32) -> f32 {
    // x Φ(x) = max(x, 0) - |x| Φ(-|x|), and Φ(-t) = exp(-t² / 2) s(t) with
    // s(t) = erfcx(t / √2) / 2. No term cancels, so both tails keep their digits.
    let t = x.abs();
    let t = if t > 15.0 { 15.0 } else { t };
    // s on 0..14.5 as a quotient of polynomials, relative error 6e-9.
    let p = multiply_add::<FMA>(t, 4.116_292_6e-3, 4.063_312e-2);
    let p = multiply_add::<FMA>(t, p, 0.183_234_83);
    let p = multiply_add::<FMA>(t, p, 0.438_294_53);
    let p = multiply_add::<FMA>(t, p, 0.5);
    let q = multiply_add::<FMA>(t, 1.031_789_6e-2, 0.101_858_57);
    let q = multiply_add::<FMA>(t, q, 0.469_469_82);
    let q = multiply_add::<FMA>(t, q, 1.202_501_9);
    let q = multiply_add::<FMA>(t, q, 1.674_474_1);
    let q = multiply_add::<FMA>(t, q, 1.0);
    let tail = exp::<FMA>(-0.5 * t * t) * (t * p / q);
    let positive = if x < 0.0 { 0.0 } else { x };
    positive - tail
}

/// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, an approximation of [`gelu`]; 0 at
/// minus infinity.
#[inline(always)]
pub(crate) fn gelu_tanh<const FMA: bool>(x: f32) -> f32 {
    // (1 + tanh y) / 2 = 1 / (1 + exp(-2 y)).
    const SCALE: f32 = -2.0 * 0.797_884_6;
    let cubic = multiply_add::<FMA>(x * x, 0.044_715 * SCALE, SCALE);
    finite_below(x) / (1.0 + exp::<FMA>(x * cubic))
}

/// `x * sigmoid(scale * x)`; 0 at minus infinity.
#[inline(always)]
pub(crate) fn swish<const FMA: bool>(x: f32, scale: f32) -> f32 {
    finite_below(x) / (1.0 + exp::<FMA>(-scale * x))
}

/// `x`, with minus infinity replaced by the lowest number.
#[inline(always)]
fn finite_below(x: f32) -> f32 {
    if x < f32::MIN { f32::MIN } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance of `ours` from `exact` in units in the last place of `exact`.
    fn ulps(ours: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        let unit = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
        (f64::from(ours) - exact).abs() / unit
    }

    fn arguments(limit: f32) -> impl Iterator<Item = f32> {
        let steps = 200_000;
        (-steps..=steps).map(move |i| i as f32 / steps as f32 * limit)
    }

    fn exact_gelu(x: f64) -> f64 {
        0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
    }

    #[test]
    fn exp_is_close() {
        for x in arguments(105.0) {
            let exact = f64::from(x).exp();
            if (exact as f32).is_finite() {
                assert!(ulps(exp::<true>(x), exact) < 1.5, "{x} {}", exp::<true>(x));
                assert!(ulps(exp::<false>(x), exact) < 1.5, "{x} {}", exp::<false>(x));
            }
        }
        for exp in [exp::<true>, exp::<false>] {
            assert_eq!(exp(f32::INFINITY), f32::INFINITY);
            assert_eq!((exp(f32::NEG_INFINITY), exp(-1e30), exp(0.0)), (0.0, 0.0, 1.0));
            assert_eq!((exp(1e-40), exp(89.0), exp(1e30)), (1.0, f32::INFINITY, f32::INFINITY));
            assert!(exp(f32::NAN).is_nan());
        }
    }

    #[test]
    fn gelu_is_close() {
        for x in arguments(16.0) {
            let exact = exact_gelu(x.into());
            for ours in [gelu::<true>(x), gelu::<false>(x)] {
                let off = (f64::from(ours) - exact).abs();
                let close = if x < 0.0 { off < 5e-8 } else { ulps(ours, exact) < 3.0 };
                assert!(close, "{x} {ours} {exact}");
            }
        }
    }

    #[test]
    fn sigmoids_are_close() {
        for x in arguments(40.0) {
            let wide = f64::from(x);
            let y = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let off = f64::from(gelu_tanh::<true>(x)) - wide / (1.0 + (-2.0 * y).exp());
            assert!(off.abs() < 2e-7 * wide.abs().max(1.0), "{x} {off}");
            for scale in [1.0, 1.702] {
                let exact = wide / (1.0 + (-f64::from(scale) * wide).exp());
                let off = f64::from(swish::<true>(x, scale)) - exact;
                assert!(off.abs() < 2e-7 * wide.abs().max(1.0), "{x} {off}");
            }
        }
    }

    #[test]
    fn extremes_of_activations() {
        let swish = |x| swish::<true>(x, 1.702);
        for function in [gelu::<true>, gelu::<false>, gelu_tanh::<true>, swish] {
            assert_eq!(function(f32::INFINITY), f32::INFINITY);
            assert_eq!((function(f32::NEG_INFINITY), function(f32::MIN)), (0.0, 0.0));
            assert_eq!((function(f32::MAX), function(0.0)), (f32::MAX, 0.0));
            assert!(function(f32::NAN).is_nan());
            let tiny = 1e-40;
            assert!((function(tiny) - tiny / 2.0).abs() <= 1e-44);
        }
    }
}
