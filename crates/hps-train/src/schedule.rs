//! Learning rates over time.

use serde::{Deserialize, Serialize};

/// Linear warm-up, then half a cosine down to 0, as open_clip's `cosine_lr`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// The largest learning rate, reached after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the rate rises.
    pub warmup: u64,
    /// All steps, warm-up included.
    pub steps: u64,
}

impl Schedule {
    /// The learning rate of step `step`, from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / rest).min(1.0);
        0.5 * (1.0 + (std::f64::consts::PI * done).cos()) * self.learning_rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_and_falls() {
        let schedule = Schedule { learning_rate: 1e-3, warmup: 4, steps: 12 };
        let rates: Vec<f64> = (0..13).map(|step| schedule.learning_rate(step)).collect();
        assert_eq!(&rates[..5], [0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3]);
        assert!((rates[8] - 0.5e-3).abs() < 1e-15);
        assert!(rates[4..].windows(2).all(|pair| pair[1] < pair[0]));
        assert!(rates[12].abs() < 1e-15);
    }

    #[test]
    fn extremes() {
        let none = Schedule { learning_rate: 1.0, warmup: 0, steps: 0 };
        assert_eq!(none.learning_rate(0), 1.0);
        assert_eq!(none.learning_rate(9), 0.0);
        let never_warm = Schedule { learning_rate: 1.0, warmup: 500, steps: 100 };
        assert_eq!(never_warm.learning_rate(99), 0.2);
    }
}
