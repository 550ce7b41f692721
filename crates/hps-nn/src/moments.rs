//! Mean and standard deviation of a row, as the norms need them.

use crate::kernel::multiply_add;

/// Sums that are kept side by side, in whatever vectors the processor has.
const LANES: usize = 64;
/// Values of a lane that are added in `f32` before they go on in `f64`.
const RUN: usize = 32;

/// The mean of a row and its reciprocal standard deviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// The mean is the sum of the two: one `f32` would lose the digits of values that lie
    /// close together and far from zero.
    high: f32,
    low: f32,
    scale: f32,
}

impl Moments {
    /// Of `values`, with `eps` added to the population variance. The sum is accumulated in
    /// `f64`, that of squares, which are small once the mean is subtracted, in runs of
    /// `f32`; both in an order that depends on nothing but the length.
    #[inline(always)]
    pub(crate) fn of<const FMA: bool>(values: &[f32], eps: f64) -> Self {
        let count = values.len() as f64;
        let mean = sum(values) / count;
        let high = mean as f32;
        let centre = Moments { high, low: (mean - f64::from(high)) as f32, scale: 1.0 };
        let variance = centre.squares::<FMA>(values) / count;
        Moments { scale: (variance + eps).sqrt().recip() as f32, ..centre }
    }

    /// `x` less the mean, divided by the standard deviation.
    #[inline(always)]
    pub(crate) fn normalise(self, x: f32) -> f32 {
        self.centre(x) * self.scale
    }

    #[inline(always)]
    fn centre(self, x: f32) -> f32 {
        (x - self.high) - self.low
    }

    /// The sum of squared distances from the mean.
    #[inline(always)]
    fn squares<const FMA: bool>(self, values: &[f32]) -> f64 {
        let mut total = 0.0;
        for run in values.chunks(LANES * RUN) {
            let mut lanes = [0f32; LANES];
            let (rows, rest) = run.as_chunks::<LANES>();
            for row in rows {
                for (lane, &x) in lanes.iter_mut().zip(row) {
                    let distance = self.centre(x);
                    *lane = multiply_add::<FMA>(distance, distance, *lane);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(rest) {
                let distance = self.centre(x);
                *lane = multiply_add::<FMA>(distance, distance, *lane);
            }
            total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        total
    }
}

#[inline(always)]
fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0f64; LANES];
    let (rows, rest) = values.as_chunks::<LANES>();
    for row in rows {
        lanes.iter_mut().zip(row).for_each(|(lane, &x)| *lane += f64::from(x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += f64::from(x));
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_definition_at_any_length_and_offset() {
        for len in [1, 2, 63, 64, 65, 1280, 2047, 2048, 2049, 70_000] {
            for offset in [0.0, 1.0, 1000.0, -20_000.0] {
                let values: Vec<f32> =
                    (0..len).map(|i| (i as f32 * 0.7).sin() * 2.0 + offset).collect();
                let wide = || values.iter().map(|&x| f64::from(x));
                let mean = wide().sum::<f64>() / len as f64;
                let variance = wide().map(|x| (x - mean).powi(2)).sum::<f64>() / len as f64;
                let scale = (variance + 1e-5).sqrt().recip();
                for moments in
                    [Moments::of::<true>(&values, 1e-5), Moments::of::<false>(&values, 1e-5)]
                {
                    for &x in &values {
                        let exact = (f64::from(x) - mean) * scale;
                        let off = f64::from(moments.normalise(x)) - exact;
                        assert!(off.abs() < 1e-6 * exact.abs().max(1.0), "{len} {offset} {off}");
                    }
                }
            }
        }
    }

    #[test]
    fn bad_values_stay_visible() {
        for bad in [f32::NAN, f32::INFINITY] {
            let moments = Moments::of::<true>(&[1.0, bad, 2.0], 1e-5);
            assert!(!moments.normalise(1.0).is_finite());
        }
    }
}
