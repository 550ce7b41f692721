//! How well one person agrees with the others: what a reward can hope for.

use super::measure::{Agreement, Measure};
use crate::data::{Comparison, competition_ranks};

/// The mean agreement of each person with the mean rank of all the others; `None`
/// where fewer than two people ranked the pictures or the measure is not defined.
///
/// With the micro measure, the pairs of all persons are pooled and divided by their
/// number, so that a comparison weighs as much as it does for a reward.
pub(super) fn agreement(measure: Measure, comparison: &Comparison) -> Option<Agreement> {
    let people = &comparison.annotations;
    if people.len() < 2 {
        return None;
    }
    let one = |(index, person): (usize, &Vec<u32>)| {
        measure.person_agreement(person, &mean_of_others(people, index))
    };
    let each: Vec<Agreement> = people.iter().enumerate().filter_map(one).collect();
    if each.is_empty() {
        return None;
    }
    let count = each.len() as f64;
    let mean = |part: fn(&Agreement) -> f64| each.iter().map(part).sum::<f64>() / count;
    Some(Agreement { correct: mean(|a| a.correct), total: mean(|a| a.total) })
}

/// The ranks by the sum of everybody's ranks but one's.
fn mean_of_others(people: &[Vec<u32>], except: usize) -> Vec<u32> {
    let images = people.first().map_or(0, Vec::len);
    let mut sums = vec![0u64; images];
    for (_, ranks) in people.iter().enumerate().filter(|(index, _)| *index != except) {
        sums.iter_mut().zip(ranks).for_each(|(sum, rank)| *sum += u64::from(*rank));
    }
    competition_ranks(&sums, |a, b| a < b)
}

#[cfg(test)]
mod tests {
    use hps_core::Prompt;

    use super::*;
    use crate::data::Preference;

    fn of(measure: Measure, annotations: &[&[u32]]) -> Option<Agreement> {
        let images = annotations.first().map_or(0, |ranks| ranks.len());
        let comparison = Comparison {
            id: "x".into(),
            prompt: Prompt::from("p"),
            images: vec!["a".into(); images],
            preference: Preference::Rank(vec![1; images]),
            annotations: annotations.iter().map(|ranks| ranks.to_vec()).collect(),
            generators: Vec::new(),
        };
        agreement(measure, &comparison)
    }

    #[test]
    fn each_person_is_held_against_the_others() {
        let whole = Some(Agreement { correct: 1.0, total: 1.0 });
        assert_eq!(of(Measure::Inversion, &[&[1, 2, 3], &[1, 2, 3]]), whole);
        let none = Some(Agreement { correct: 0.0, total: 1.0 });
        assert_eq!(of(Measure::Inversion, &[&[1, 2], &[2, 1]]), none);
        // Two against one: the two see a tie among the others, the one sees a
        // clear order that is not hers.
        let two_to_one: [&[u32]; 3] = [&[1, 2], &[1, 2], &[2, 1]];
        let inversion = of(Measure::Inversion, &two_to_one);
        assert_eq!(inversion, Some(Agreement { correct: 2.0 / 3.0, total: 1.0 }));
        assert_eq!(of(Measure::StrictMicro, &two_to_one), none);
        assert_eq!(of(Measure::Inversion, &[&[1, 2]]), None);
    }
}
