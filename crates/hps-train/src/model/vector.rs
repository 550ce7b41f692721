//! Elementary functions and sums in forms that compilers turn into vector code.
//!
//! [`vectorise`] compiles a loop for several instruction sets and runs the best one.
//! Only additions, multiplications, divisions and bit operations in a fixed order,
//! none of them fused: every processor gives the same bits.

/// A loop that profits from wide vectors. Its `run` must be `#[inline(always)]`, as
/// must everything hot that it calls.
pub(super) trait Loop {
    /// Runs it.
    fn run(self);
}

/// Runs `work` with the widest vectors of this processor.
pub(super) fn vectorise(work: impl Loop) {
    struct Task<L>(L);

    impl<L: Loop> pulp::NullaryFnOnce for Task<L> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run();
        }
    }

    pulp::Arch::new().dispatch(Task(work));
}

/// Independent partial sums: enough for the widest vector registers.
const LANES: usize = 16;

/// Adds `LANES` values at a time; `term` maps an index in a row to a summand.
#[inline(always)]
fn lane_sum(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = len - len % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    for index in whole..len {
        lanes[index - whole] += term(index);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of `xs`.
#[inline(always)]
pub(super) fn sum(xs: &[f32]) -> f32 {
    lane_sum(xs.len(), |i| xs[i])
}

/// The sum of products of `xs` and `ys`, over the shorter length.
#[inline(always)]
pub(super) fn dot(xs: &[f32], ys: &[f32]) -> f32 {
    let len = xs.len().min(ys.len());
    let (xs, ys) = (&xs[..len], &ys[..len]);
    lane_sum(len, |i| xs[i] * ys[i])
}

/// The sum of squared differences from `mean`.
#[inline(always)]
pub(super) fn squared_deviations(xs: &[f32], mean: f32) -> f32 {
    lane_sum(xs.len(), |i| (xs[i] - mean) * (xs[i] - mean))
}

/// The largest of `xs`; -inf for none.
#[inline(always)]
pub(super) fn max(xs: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in xs.chunks(LANES) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = larger(*lane, x));
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}

/// `e^x` within 2 units in the last place; 0 below -87.3, and above 88 its value
/// there. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: added to a small number it leaves the nearest whole one in the
    // low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first short enough that its multiples are exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let limited = if x > 88.0 { 88.0 } else { x };
    let limited = if limited < -87.3 { -87.3 } else { limited };
    let shifted = limited * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = limited - whole * LN_2_HIGH - whole * LN_2_LOW;
    // Taylor's series: |rest| is at most ln 2 / 2.
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * rest + coefficient;
    }
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let value = series * f32::from_bits(power);
    if x < -87.3 { 0.0 } else { value }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The distribution function of the standard normal distribution and its density.
///
/// The complementary error function is the Chebyshev fit of *Numerical Recipes*
/// (`erfcc`), whose relative error is below 1.2e-7 everywhere.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    const FIT: [f32; 9] = [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ];
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut fit = 0.170_872_77;
    for coefficient in FIT {
        fit = fit * t + coefficient;
    }
    let bell = exp(-z * z);
    let tail = 0.5 * t * bell * exp(fit);
    // 1 / sqrt(2 pi)
    let density = 0.398_942_3 * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, density)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_everywhere() {
        for i in -873..880 {
            let x = i as f32 * 0.1 + 0.003;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "exp({x}) is off by {error:e}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::INFINITY) > 1e38);
    }

    /// The distribution function by Taylor's series, in f64.
    fn exact_normal(x: f64) -> f64 {
        let (mut term, mut total) = (x, x);
        for n in 1..200 {
            term *= x * x / f64::from(2 * n + 1);
            total += term;
        }
        0.5 + total * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }

    #[test]
    fn the_normal_distribution_is_right() {
        for i in -500..500 {
            let x = i as f32 * 0.01;
            let (below, density) = normal(x);
            let exact = exact_normal(f64::from(x));
            assert!((f64::from(below) - exact).abs() < 1.5e-7, "{x}: {below} {exact}");
            let exact = (-f64::from(x).powi(2) / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) - exact).abs() < 1e-7, "{x}: {density} {exact}");
        }
        // Far below, the tail keeps its relative precision: 2.866515718791939e-7.
        assert!((normal(-5.0).0 / 2.866_515_7e-7 - 1.0).abs() < 2e-6);
        assert!(normal(f32::NAN).0.is_nan());
        assert_eq!(normal(40.0), (1.0, 0.0));
        assert_eq!(normal(-40.0), (0.0, 0.0));
    }

    #[test]
    fn sums_of_any_length() {
        for len in 0..70 {
            let xs: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let n = len as f32;
            assert_eq!(sum(&xs), n * (n - 1.0) / 2.0);
            assert_eq!(dot(&xs, &xs), (0..len).map(|i| (i * i) as f32).sum::<f32>());
            let largest = if len == 0 { f32::NEG_INFINITY } else { n - 1.0 };
            assert_eq!(max(&xs), largest);
        }
        assert_eq!(squared_deviations(&[1.0, 3.0], 2.0), 2.0);
    }
}
