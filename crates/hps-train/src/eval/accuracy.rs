//! The two accuracies in use for one prompt.

use hps_core::rank_descending;

/// Pairs of pictures that people order strictly, and how many of them a reward
/// orders the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCount {
    /// Pairs ordered the same way, strictly.
    pub correct: usize,
    /// Pairs that people order.
    pub pairs: usize,
}

impl PairCount {
    /// The share of correct pairs; `None` where people order no pair.
    pub fn accuracy(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.correct as f64 / self.pairs as f64)
    }
}

/// The place of each picture from best (0) to worst by score. Equal scores keep the
/// order given.
pub fn positions(scores: &[f32]) -> Vec<u32> {
    let keys: Vec<Option<f32>> = scores.iter().copied().map(Some).collect();
    let mut positions = vec![0; scores.len()];
    for (place, index) in rank_descending(&keys).into_iter().enumerate() {
        positions[index] = place as u32;
    }
    positions
}

/// HPD v2's accuracy of one prompt: 1 minus the share of pairs that `predicted` and
/// `rank` order in opposite ways (`inversion_score` of HPSv2's `training/train.py`).
///
/// Both are ranks, smaller is better. All `n (n - 1) / 2` pairs count, and a pair
/// that either side ties is never wrong. `None` for fewer than two pictures, or
/// different numbers of them.
pub fn inversion_score(predicted: &[u32], rank: &[u32]) -> Option<f64> {
    if rank.len() < 2 || predicted.len() != rank.len() {
        return None;
    }
    let (mut inversions, mut pairs) = (0usize, 0usize);
    for i in 0..rank.len() {
        for j in i + 1..rank.len() {
            let opposite = predicted[i].cmp(&predicted[j]) == rank[j].cmp(&rank[i]);
            inversions += usize::from(opposite && rank[i] != rank[j]);
            pairs += 1;
        }
    }
    Some(1.0 - inversions as f64 / pairs as f64)
}

/// ImageReward's accuracy of one prompt: of the pairs with different ranks, those
/// where the better one has the strictly larger score (`calc_ImageReward` of HPSv2's
/// `training/train.py`). Equal scores are wrong.
pub fn strict_pairs(scores: &[f32], rank: &[u32]) -> PairCount {
    let mut count = PairCount::default();
    let items: Vec<(f32, u32)> = scores.iter().copied().zip(rank.iter().copied()).collect();
    for (i, &(score, rank)) in items.iter().enumerate() {
        for &(other_score, other_rank) in items.iter().skip(i + 1).filter(|item| item.1 != rank) {
            let correct = if rank < other_rank { score > other_score } else { score < other_score };
            count.correct += usize::from(correct);
            count.pairs += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inversions() {
        assert_eq!(inversion_score(&[0, 1, 2], &[1, 2, 3]), Some(1.0));
        assert_eq!(inversion_score(&[2, 1, 0], &[1, 2, 3]), Some(0.0));
        // A tie of people is never wrong, but counts as a pair.
        assert_eq!(inversion_score(&[1, 0, 2], &[5, 5, 1]), Some(1.0 - 2.0 / 3.0));
        assert_eq!(inversion_score(&[0], &[1]), None);
        assert_eq!(inversion_score(&[], &[]), None);
        assert_eq!(inversion_score(&[0, 1], &[1]), None);
    }

    #[test]
    fn strict_pairs_leave_out_ties_of_people() {
        let count = |scores: &[f32], rank: &[u32]| {
            let count = strict_pairs(scores, rank);
            (count.correct, count.pairs)
        };
        assert_eq!(count(&[0.3, 0.2, 0.1], &[1, 2, 3]), (3, 3));
        assert_eq!(count(&[0.3, 0.2, 0.1], &[1, 2, 2]), (2, 2));
        assert_eq!(count(&[0.2, 0.2], &[1, 2]), (0, 1));
        assert_eq!(count(&[0.2, 0.1], &[1, 1]), (0, 0));
        assert_eq!(strict_pairs(&[0.2], &[1]).accuracy(), None);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        assert_eq!(positions(&[0.1, 0.3, 0.1, 0.2]), [2, 0, 3, 1]);
    }

    fn case() -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
        proptest::collection::vec((-9i8..9, 0..6u32), 2..9).prop_map(|items| {
            items.into_iter().map(|(score, rank)| (f32::from(score), rank)).unzip()
        })
    }

    proptest! {
        #[test]
        fn both_are_shares_and_ignore_monotone_changes((scores, rank) in case()) {
            let stretched: Vec<f32> = scores.iter().map(|score| score * 2.0 + 7.0).collect();
            let spread: Vec<u32> = rank.iter().map(|rank| rank * 3 + 1).collect();
            let inversion = inversion_score(&positions(&scores), &rank);
            prop_assert!(inversion.is_some_and(|value| (0.0..=1.0).contains(&value)));
            prop_assert_eq!(inversion, inversion_score(&positions(&stretched), &spread));
            let count = strict_pairs(&scores, &rank);
            prop_assert!(count.correct <= count.pairs);
            prop_assert_eq!(count, strict_pairs(&stretched, &spread));
        }

        #[test]
        fn opposite_scores_get_the_opposite_pairs((scores, rank) in case()) {
            let opposite: Vec<f32> = scores.iter().map(|score| -score).collect();
            let (one, other) = (strict_pairs(&scores, &rank), strict_pairs(&opposite, &rank));
            prop_assert_eq!(one.pairs, other.pairs);
            prop_assert!(one.correct + other.correct <= one.pairs);
        }
    }
}
