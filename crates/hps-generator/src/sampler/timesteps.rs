//! The timesteps of a run.

use super::TimestepSpacing;

/// The training timesteps of `steps` steps, from noisy to clean, in the exact
/// arithmetic of diffusers (NumPy in `f64`). Only `Linspace` gives fractions;
/// `offset` belongs to `Leading`.
///
/// For some numbers of steps (61, 103, …) the rounding of `numpy.arange` makes
/// diffusers append one more timestep, -1, with `Trailing`; it is left out here.
pub(super) fn spread(
    spacing: TimestepSpacing,
    train: usize,
    steps: usize,
    offset: usize,
) -> Vec<f64> {
    match spacing {
        TimestepSpacing::Linspace => {
            let last = (train - 1) as f64;
            let width = last / (steps.max(2) - 1) as f64;
            let value = |i: usize| if i + 1 == steps && i > 0 { last } else { i as f64 * width };
            (0..steps).rev().map(value).collect()
        }
        TimestepSpacing::Leading => {
            let width = train / steps;
            (0..steps).rev().map(|i| (i * width) as f64 + offset as f64).collect()
        }
        TimestepSpacing::Trailing => {
            let width = train as f64 / steps as f64;
            // numpy.arange takes the difference of its first two values as width.
            let width = train as f64 - (train as f64 - width);
            (0..steps).map(|i| (train as f64 - i as f64 * width).round_ties_even() - 1.0).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacings_of_table_2() {
        let spread = |spacing, steps| spread(spacing, 1000, steps, 1);
        assert_eq!(spread(TimestepSpacing::Linspace, 4), [999.0, 666.0, 333.0, 0.0]);
        assert_eq!(spread(TimestepSpacing::Linspace, 1), [0.0]);
        assert_eq!(spread(TimestepSpacing::Leading, 3), [667.0, 334.0, 1.0]);
        assert_eq!(spread(TimestepSpacing::Trailing, 3), [999.0, 666.0, 332.0]);
        assert_eq!(spread(TimestepSpacing::Trailing, 4), [999.0, 749.0, 499.0, 249.0]);
        assert_eq!(spread(TimestepSpacing::Trailing, 1), [999.0]);
    }

    #[test]
    fn every_number_of_steps_descends_within_the_training_range() {
        for steps in 1..=1000 {
            for spacing in
                [TimestepSpacing::Linspace, TimestepSpacing::Leading, TimestepSpacing::Trailing]
            {
                let timesteps = spread(spacing, 1000, steps, 0);
                assert_eq!(timesteps.len(), steps);
                assert!(timesteps.windows(2).all(|pair| pair[0] > pair[1]));
                assert!(timesteps.iter().all(|t| (0.0..1000.0).contains(t)), "{spacing:?} {steps}");
            }
        }
    }
}
