//! Byte-pair encoding of one word.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A rule that joins two neighbouring tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    /// The lower the rank, the earlier the rule applies.
    pub(super) rank: u32,
    /// The joined token.
    pub(super) id: u32,
}

/// All rules, by the pair that they join.
pub(super) type Merges = HashMap<(u32, u32), Merge>;

/// A rule that may apply to the token at `left` and the one after it, in the
/// order in which the rules apply: by rank, then from left to right.
type Candidate = Reverse<(u32, usize, (u32, u32), u32)>;

/// Marks an end of the chain of live tokens.
const NONE: usize = usize::MAX;

/// Joins the tokens of one word until no rule applies.
///
/// Takes O(n log n) for n tokens: joined tokens stay in place and are skipped
/// through a linked list; candidates that a join made stale are dropped when
/// they come up.
pub(super) fn merge(mut tokens: Vec<u32>, merges: &Merges) -> Vec<u32> {
    let count = tokens.len();
    let mut next: Vec<usize> = (1..=count).collect();
    let mut previous: Vec<usize> = (0..count).map(|at| at.wrapping_sub(1)).collect();
    let mut live = vec![true; count];
    if let Some(last) = next.last_mut() {
        *last = NONE;
    }
    let mut heap: BinaryHeap<Candidate> =
        (0..count).filter_map(|left| candidate(&tokens, merges, left, next[left])).collect();
    while let Some(Reverse((_, left, pair, id))) = heap.pop() {
        let right = next[left];
        if !live[left] || right == NONE || (tokens[left], tokens[right]) != pair {
            continue;
        }
        tokens[left] = id;
        live[right] = false;
        next[left] = next[right];
        if next[left] != NONE {
            previous[next[left]] = left;
        }
        heap.extend(candidate(&tokens, merges, left, next[left]));
        if previous[left] != NONE {
            heap.extend(candidate(&tokens, merges, previous[left], left));
        }
    }
    let mut keep = live.into_iter();
    tokens.retain(|_| keep.next().unwrap_or(false));
    tokens
}

fn candidate(tokens: &[u32], merges: &Merges, left: usize, right: usize) -> Option<Candidate> {
    let pair = (*tokens.get(left)?, *tokens.get(right)?);
    let Merge { rank, id } = *merges.get(&pair)?;
    Some(Reverse((rank, left, pair, id)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tokens 0, 1, 2 are letters; the rest are joined.
    fn rules() -> Merges {
        [(0, 0, 3), (1, 2, 4), (3, 4, 5), (3, 3, 6), (5, 0, 7), (2, 2, 8)]
            .into_iter()
            .enumerate()
            .map(|(rank, (a, b, id))| ((a, b), Merge { rank: rank as u32, id }))
            .collect()
    }

    /// The textbook form: apply the best rule everywhere, again and again.
    fn merge_slowly(mut tokens: Vec<u32>, merges: &Merges) -> Vec<u32> {
        loop {
            let pairs = tokens.windows(2).map(|w| (w[0], w[1]));
            let best = pairs.filter_map(|p| merges.get(&p).map(|m| (m.rank, p, m.id))).min();
            let Some((_, (a, b), id)) = best else { return tokens };
            let mut joined = Vec::new();
            let mut at = 0;
            while at < tokens.len() {
                let both = tokens[at] == a && tokens.get(at + 1) == Some(&b);
                joined.push(if both { id } else { tokens[at] });
                at += if both { 2 } else { 1 };
            }
            tokens = joined;
        }
    }

    #[test]
    fn rules_apply_by_rank_then_from_the_left() {
        assert_eq!(merge(vec![0, 0, 0], &rules()), [3, 0]);
        assert_eq!(merge(vec![0, 0, 1, 2, 0], &rules()), [7]);
        assert!(merge(vec![], &rules()).is_empty());
        assert_eq!(merge(vec![1], &rules()), [1]);
    }

    #[test]
    fn a_very_long_word_is_no_problem() {
        assert_eq!(merge(vec![0; 100_000], &rules()), vec![6; 25_000]);
    }

    proptest! {
        #[test]
        fn equals_the_textbook_form(tokens in prop::collection::vec(0_u32..3, 0..40)) {
            prop_assert_eq!(merge(tokens.clone(), &rules()), merge_slowly(tokens, &rules()));
        }
    }
}
