//! Noise levels spaced as in <https://arxiv.org/abs/2206.00364>, equation 5.

use hps_core::{Error, ErrorKind, Result};

/// The exponent recommended by the paper.
const RHO: f64 = 7.0;

/// As many noise levels as in `levels`, between its ends or the given ones.
pub(super) fn levels(levels: &[f64], min: Option<f64>, max: Option<f64>) -> Result<Vec<f64>> {
    let ends = (min.or(levels.last().copied()), max.or(levels.first().copied()));
    let (Some(min), Some(max)) = ends else { return Ok(Vec::new()) };
    if !(min > 0.0 && min <= max && max.is_finite()) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("scheduler configuration: sigma_min {min} and sigma_max {max}"),
        ));
    }
    let (low, high) = (libm::pow(min, 1.0 / RHO), libm::pow(max, 1.0 / RHO));
    let width = 1.0 / (levels.len().max(2) - 1) as f64;
    let level = |i: usize| {
        let ramp = if i + 1 == levels.len() && i > 0 { 1.0 } else { i as f64 * width };
        libm::pow(high + ramp * (low - high), RHO)
    };
    Ok((0..levels.len()).map(level).collect())
}

/// The training timestep of each level: linear in the logarithm between the
/// levels of training, `trained`, which ascend.
pub(super) fn timesteps(levels: &[f64], trained: &[f32]) -> Vec<f32> {
    let logs: Vec<f64> =
        trained.iter().map(|&sigma| f64::from(libm::log(f64::from(sigma)) as f32)).collect();
    levels.iter().map(|&level| timestep(level, &logs) as f32).collect()
}

fn timestep(level: f64, logs: &[f64]) -> f64 {
    let log = libm::log(level.max(1e-10));
    let below = logs.partition_point(|&trained| trained <= log);
    let low = below.saturating_sub(1).min(logs.len().saturating_sub(2));
    let (Some(&from), Some(&to)) = (logs.get(low), logs.get(low + 1)) else { return 0.0 };
    let share = ((from - log) / (from - to)).clamp(0.0, 1.0);
    (1.0 - share) * low as f64 + share * (low + 1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ends_are_kept_and_levels_descend() {
        let out = levels(&[14.0, 3.0, 1.0, 0.5, 0.03], None, None).unwrap();
        assert!((out[0] - 14.0).abs() < 1e-12 && (out[4] - 0.03).abs() < 1e-12);
        assert!(out.windows(2).all(|pair| pair[0] > pair[1]));
        let given = levels(&[14.0, 0.03], Some(0.1), Some(10.0)).unwrap();
        assert!((given[0] - 10.0).abs() < 1e-12 && (given[1] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn impossible_ends_are_refused() {
        for (min, max) in [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0)] {
            assert!(levels(&[1.0, 0.5], Some(min), Some(max)).is_err());
        }
        assert!(levels(&[1.0, 0.5], None, Some(f64::INFINITY)).is_err());
    }

    #[test]
    fn timesteps_of_trained_levels_are_their_indices() {
        let trained = [0.1f32, 0.5, 2.0, 9.0];
        let levels: Vec<f64> = trained.iter().map(|&s| f64::from(s)).collect();
        let found = timesteps(&levels, &trained);
        for (index, t) in found.iter().enumerate() {
            assert!((t - index as f32).abs() < 1e-6, "{t}");
        }
        assert_eq!(timesteps(&[0.001, 99.0], &trained), [0.0, 3.0]);
        assert_eq!(timesteps(&[1.0], &[1.0]), [0.0]);
    }
}
