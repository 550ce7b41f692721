//! Scores and their order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// A finite score in the reward's own unit; higher is better.
///
/// For the HPS rewards this is the cosine of image and prompt features, about
/// 0.1 to 0.4 in practice. Scores compare only between pictures of the same
/// prompt under the same reward and version.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Score(f32);

impl Score {
    /// A score of this value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFinite`] for NaN and infinities: they never win and are
    /// always reported.
    pub fn new(value: f32) -> Result<Self> {
        if value.is_finite() {
            Ok(Score(value))
        } else {
            Err(Error::new(ErrorKind::NotFinite, format!("the score is {value}")))
        }
    }

    /// The raw value.
    pub fn value(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Score {
    type Error = Error;

    fn try_from(value: f32) -> Result<Self> {
        Score::new(value)
    }
}

impl From<Score> for f32 {
    fn from(score: Score) -> f32 {
        score.0
    }
}

impl fmt::Display for Score {
    /// Prints the shortest decimal that parses back to the same `f32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The order of `scores` from best to worst, as indices.
///
/// Ties go to the lowest index. `None` (an item without a score) and NaN come
/// last, in index order, so they never win.
pub fn rank_descending(scores: &[Option<f32>]) -> Vec<usize> {
    let key = |index: usize| scores[index].filter(|value| !value.is_nan());
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| match (key(a), key(b)) {
        (Some(x), Some(y)) => y.partial_cmp(&x).unwrap_or(std::cmp::Ordering::Equal),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_scores_exist() {
        assert!(Score::new(f32::NAN).is_err());
        assert!(Score::new(f32::INFINITY).is_err());
        assert_eq!(Score::new(0.25).map(Score::value).ok(), Some(0.25));
    }

    #[test]
    fn ties_go_to_the_lowest_index_and_nan_never_wins() {
        let scores = [Some(0.1), Some(f32::NAN), Some(0.3), None, Some(0.3), Some(-1.0)];
        assert_eq!(rank_descending(&scores), [2, 4, 0, 5, 1, 3]);
    }

    #[test]
    fn display_parses_back() {
        for value in [0.287_654_3_f32, 1.0e-9, -0.1, 0.1 + 0.2] {
            let text = Score::new(value).expect("finite").to_string();
            assert_eq!(text.parse::<f32>().expect("a number"), value);
        }
    }
}
