//! `metrics.json`: the two accuracies of HPSv2's `training/train.py`.

use hps_train::eval::{inversion_score, positions, strict_pairs};
use serde::Deserialize;

use crate::place;

#[derive(Deserialize)]
struct Metrics {
    inversion: Vec<Inversion>,
    image_reward: Vec<ImageReward>,
}

#[derive(Deserialize)]
struct Inversion {
    rank: Vec<u32>,
    predicted_rank: Vec<u32>,
    value: f64,
}

#[derive(Deserialize)]
struct ImageReward {
    rank: Vec<u32>,
    scores: Vec<f32>,
    value: f64,
}

/// The reference divides in other precisions than `f64`, for one of the two.
const TOLERANCE: f64 = 1e-6;

#[test]
fn accuracies_are_those_of_the_reference() {
    let Some(metrics) = place::json::<Metrics>("reward", "metrics.json") else { return };
    assert!(!metrics.inversion.is_empty() && !metrics.image_reward.is_empty());
    for (index, case) in metrics.inversion.iter().enumerate() {
        let value = inversion_score(&case.predicted_rank, &case.rank);
        assert_eq!(value, Some(case.value), "inversion {index}");
    }
    for (index, case) in metrics.image_reward.iter().enumerate() {
        let value = strict_pairs(&case.scores, &case.rank).accuracy();
        let value = value.unwrap_or_else(|| panic!("image_reward {index} has no pair"));
        assert!((value - case.value).abs() < TOLERANCE, "image_reward {index}: {value}");
    }
}

#[test]
fn positions_are_those_of_the_reference() {
    let Some(metrics) = place::json::<Metrics>("reward", "metrics.json") else { return };
    for case in &metrics.inversion {
        // Scores whose order is the predicted one.
        let scores: Vec<f32> = case.predicted_rank.iter().map(|&rank| -(rank as f32)).collect();
        assert_eq!(positions(&scores), case.predicted_rank);
    }
}
