//! All numbers about some rewards on one set of comparisons.

use std::collections::HashMap;

use hps_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::bootstrap::{Clusters, Difference, Estimate, Resampling};
use super::generators::{self, GeneratorPair, GeneratorResult};
use super::human;
use super::measure::{Agreement, Measure, Metric};
use crate::data::Comparison;

/// The scores that one reward gave.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardScores {
    /// The name of the reward.
    pub reward: String,
    /// For each comparison one score per picture, larger is better; `None` where any
    /// picture of it could not be scored.
    pub scores: Vec<Option<Vec<f32>>>,
}

/// How far rewards agree with people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Which accuracy.
    pub metric: Metric,
    /// How intervals and p-values were computed.
    pub resampling: Resampling,
    /// The rewards, in the order of all lists below.
    pub rewards: Vec<String>,
    /// Comparisons that were used.
    pub comparisons: usize,
    /// Different prompts of these.
    pub prompts: usize,
    /// Comparisons that were not.
    pub skipped: Skipped,
    /// One result per measure of the metric, the principal one first.
    pub measures: Vec<MeasureResult>,
    /// Pairs of pictures by the models that drew them; empty where none is known.
    pub generator_pairs: Vec<GeneratorPair>,
    /// Models against all others; empty where none is known.
    pub generators: Vec<GeneratorResult>,
}

/// Comparisons that could not be used, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Some reward has no score of some picture.
    pub unscored: usize,
    /// There is only one picture.
    pub fewer_than_two_images: usize,
}

/// One measure of all rewards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasureResult {
    /// Which measure.
    pub measure: Measure,
    /// Comparisons it is defined for.
    pub comparisons: usize,
    /// Comparisons it is not defined for, because people order none of the pairs.
    pub all_tied: usize,
    /// The agreement of each reward with people; empty without comparisons.
    pub rewards: Vec<Estimate>,
    /// Differences of all pairs of rewards.
    pub differences: Vec<Difference>,
    /// The agreement of one person with the mean of the others, where the data have
    /// the ranks of several people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<Estimate>,
    /// Comparisons that `human` is about.
    pub human_comparisons: usize,
}

/// A comparison that all rewards have scored.
pub(super) struct Usable<'a> {
    pub(super) comparison: &'a Comparison,
    /// Which of the different prompts it is about.
    pub(super) prompt: usize,
    pub(super) ranks: Vec<u32>,
    /// Per reward one score per picture: as many as ranks.
    pub(super) scores: Vec<&'a [f32]>,
}

/// Compares the scores of `rewards` with what people said.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] when there are no rewards or one has not as many
/// entries as there are comparisons.
pub fn evaluate(
    comparisons: &[Comparison],
    rewards: &[RewardScores],
    metric: Metric,
    resampling: Resampling,
) -> Result<Evaluation> {
    let invalid = |message| Err(Error::new(ErrorKind::InvalidInput, message));
    if rewards.is_empty() {
        return invalid("there is no reward to evaluate".to_owned());
    }
    if let Some(wrong) = rewards.iter().find(|reward| reward.scores.len() != comparisons.len()) {
        let (name, entries) = (&wrong.reward, wrong.scores.len());
        return invalid(format!("{name} has {entries} entries for {} items", comparisons.len()));
    }
    let (usable, skipped) = usable(comparisons, rewards);
    let prompts = usable.iter().map(|item| item.prompt + 1).max().unwrap_or_default();
    let names: Vec<String> = rewards.iter().map(|reward| reward.reward.clone()).collect();
    let measure = |&measure: &Measure| of_measure(measure, &usable, &names, resampling);
    let principal = metric.measures().first().copied().unwrap_or(Measure::Inversion);
    Ok(Evaluation {
        metric,
        resampling,
        comparisons: usable.len(),
        prompts,
        skipped,
        measures: metric.measures().iter().map(measure).collect(),
        generator_pairs: generators::by_pair(&usable, rewards.len()),
        generators: generators::by_generator(&usable, rewards.len(), principal),
        rewards: names,
    })
}

fn usable<'a>(
    comparisons: &'a [Comparison],
    rewards: &'a [RewardScores],
) -> (Vec<Usable<'a>>, Skipped) {
    let mut skipped = Skipped::default();
    let mut prompts: HashMap<&str, usize> = HashMap::new();
    let mut usable = Vec::new();
    for (index, comparison) in comparisons.iter().enumerate() {
        let ranks = comparison.preference.ranks();
        let good = |scores: &&[f32]| {
            scores.len() == ranks.len() && scores.iter().all(|score| score.is_finite())
        };
        let scores_of =
            |reward: &'a RewardScores| reward.scores.get(index)?.as_deref().filter(good);
        if ranks.len() < 2 {
            skipped.fewer_than_two_images += 1;
        } else if let Some(scores) = rewards.iter().map(scores_of).collect() {
            let new = prompts.len();
            let prompt = *prompts.entry(comparison.prompt.as_str()).or_insert(new);
            usable.push(Usable { comparison, prompt, ranks, scores });
        } else {
            skipped.unscored += 1;
        }
    }
    (usable, skipped)
}

fn of_measure(
    measure: Measure,
    usable: &[Usable<'_>],
    names: &[String],
    resampling: Resampling,
) -> MeasureResult {
    let of_rewards = |item: &Usable<'_>| -> Option<Vec<Agreement>> {
        item.scores.iter().map(|scores| measure.agreement(scores, &item.ranks)).collect()
    };
    let rows = rows(usable, of_rewards);
    let clusters = clusters(&rows, names.len());
    let of_people = |item: &Usable<'_>| Some(vec![human::agreement(measure, item.comparison)?]);
    let people = self::rows(usable, of_people);
    let human = estimates(&self::clusters(&people, 1), resampling).into_iter().next();
    MeasureResult {
        measure,
        comparisons: rows.len(),
        all_tied: usable.len() - rows.len(),
        differences: differences(&clusters, names, resampling),
        rewards: estimates(&clusters, resampling),
        human,
        human_comparisons: people.len(),
    }
}

/// The prompt and the agreements of each comparison that has them.
fn rows(
    usable: &[Usable<'_>],
    of: impl Fn(&Usable<'_>) -> Option<Vec<Agreement>>,
) -> Vec<(usize, Vec<Agreement>)> {
    usable.iter().filter_map(|item| Some((item.prompt, of(item)?))).collect()
}

/// Sums per prompt, without prompts that have none.
fn clusters(rows: &[(usize, Vec<Agreement>)], columns: usize) -> Clusters {
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (prompt, _) in rows {
        let new = places.len();
        places.entry(*prompt).or_insert(new);
    }
    let mut clusters = Clusters::new(columns, places.len());
    for (prompt, agreements) in rows {
        let correct: Vec<f64> = agreements.iter().map(|agreement| agreement.correct).collect();
        let total = agreements.first().map_or(0.0, |agreement| agreement.total);
        let place = places.get(prompt).copied().unwrap_or_default();
        clusters.add(place, &correct, total);
    }
    clusters
}

fn estimates(clusters: &Clusters, resampling: Resampling) -> Vec<Estimate> {
    if clusters.is_empty() {
        return Vec::new();
    }
    let resamples = clusters.resample(resampling);
    let column = |(index, value): (usize, f64)| {
        Estimate::new(value, resamples.iter().filter_map(|row| row.get(index).copied()).collect())
    };
    clusters.values().into_iter().enumerate().map(column).collect()
}

fn differences(clusters: &Clusters, names: &[String], resampling: Resampling) -> Vec<Difference> {
    if clusters.is_empty() || names.len() < 2 {
        return Vec::new();
    }
    let (values, resamples) = (clusters.values(), clusters.resample(resampling));
    let minus = |row: &Vec<f64>, a: usize, b: usize| Some(row.get(a)? - row.get(b)?);
    let mut differences = Vec::new();
    for (a, reward) in names.iter().enumerate() {
        for (b, other) in names.iter().enumerate().skip(a + 1) {
            let resampled = resamples.iter().filter_map(|row| minus(row, a, b)).collect();
            differences.push(Difference {
                reward: reward.clone(),
                minus: other.clone(),
                difference: Estimate::new(minus(&values, a, b).unwrap_or_default(), resampled),
                p_value: clusters.sign_flip(a, b, resampling),
            });
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::data::{Dataset, ReadOptions};

    const FILE: &str = r#"
        {"prompt": "a", "images": ["x/1", "y/1"], "rank": [1, 2], "annotations": [[1, 2], [1, 2]]}
        {"prompt": "a", "images": ["y/2", "x/2"], "rank": [2, 1]}
        {"prompt": "b", "images": ["x/3", "y/3"], "rank": [1, 1]}
        {"prompt": "c", "images": ["x/4", "y/4", "z/4"], "rank": [1, 2, 3]}
        {"prompt": "d", "images": ["z/5"], "rank": [1]}
        {"prompt": "e", "images": ["z/6", "x/6"], "rank": [1, 2]}
    "#;

    fn scores(reward: &str, scores: [&[f32]; 6]) -> RewardScores {
        let scores = scores.iter().map(|s| (!s.is_empty()).then(|| s.to_vec())).collect();
        RewardScores { reward: reward.to_owned(), scores }
    }

    fn evaluation(metric: Metric) -> Evaluation {
        let lines: Vec<&str> = FILE.lines().map(str::trim).collect();
        let text = lines.join("\n");
        let data = Dataset::from_reader(text.as_bytes(), "x", &ReadOptions::default()).unwrap();
        let good =
            scores("good", [&[2.0, 1.0], &[1.0, 2.0], &[1.0, 0.0], &[3.0, 2.0, 1.0], &[1.0], &[]]);
        let bad = scores(
            "bad",
            [&[1.0, 2.0], &[1.0, 2.0], &[1.0, 1.0], &[3.0, 1.0, 2.0], &[1.0], &[1.0, 0.0]],
        );
        let resampling = Resampling { resamples: 500, seed: 1 };
        evaluate(&data.comparisons, &[good, bad], metric, resampling).unwrap()
    }

    #[test]
    fn rewards_are_measured_on_the_same_comparisons() {
        let result = evaluation(Metric::Hpd);
        assert_eq!((result.comparisons, result.prompts), (4, 3));
        assert_eq!(result.skipped, Skipped { unscored: 1, fewer_than_two_images: 1 });
        let [inversion] = &result.measures[..] else { panic!() };
        assert_eq!((inversion.comparisons, inversion.all_tied), (4, 0));
        let values: Vec<f64> = inversion.rewards.iter().map(|estimate| estimate.value).collect();
        assert_eq!(values[0], 1.0);
        // Comparisons: wrong, right, tied by people, one of three pairs wrong.
        assert!((values[1] - (0.0 + 1.0 + 1.0 + 2.0 / 3.0) / 4.0).abs() < 1e-12);
        let [difference] = &inversion.differences[..] else { panic!() };
        assert!((difference.difference.value - (values[0] - values[1])).abs() < 1e-12);
        assert!(difference.difference.low.unwrap() >= 0.0);
        // Two prompts differ, with signs that can come out four ways.
        assert!((difference.p_value.unwrap() - 0.5).abs() < 0.1);
        assert_eq!(inversion.human.map(|h| h.value), Some(1.0));
        assert_eq!(inversion.human_comparisons, 1);
    }

    #[test]
    fn macro_and_micro() {
        let result = evaluation(Metric::ImageReward);
        let values = |index: usize| -> Vec<f64> {
            result.measures[index].rewards.iter().map(|estimate| estimate.value).collect()
        };
        assert_eq!(result.measures[0].all_tied, 1);
        assert_eq!(values(0), [1.0, (0.0 + 1.0 + 2.0 / 3.0) / 3.0]);
        assert_eq!(values(1), [1.0, 3.0 / 5.0]);
    }

    #[test]
    fn generators_are_told_apart() {
        let result = evaluation(Metric::Hpd);
        let pair = |a: &str, b: &str| {
            result.generator_pairs.iter().find(|pair| pair.a == a && pair.b == b).unwrap()
        };
        let xy = pair("x", "y");
        assert_eq!((xy.pairs, xy.strict_pairs), (4, 3));
        assert_eq!(xy.people_prefer_a, 3.5 / 4.0);
        assert_eq!(xy.reward_prefers_a, [1.0, 2.5 / 4.0]);
        assert_eq!(xy.accuracy, [Some(1.0), Some(2.0 / 3.0)]);
        assert_eq!(pair("y", "z").accuracy, [Some(1.0), Some(0.0)]);

        let z = result.generators.iter().find(|row| row.generator == "z").unwrap();
        assert_eq!((z.images, z.pairs, z.people_prefer), (1, 2, Some(0.0)));
        assert_eq!(z.accuracy, [Some(1.0), Some(0.5)]);
        assert_eq!(z.without, [Some(1.0), Some(3.0 / 4.0)]);
        let x = result.generators.iter().find(|row| row.generator == "x").unwrap();
        // Without x only y against z is left.
        assert_eq!(x.without, [Some(1.0), Some(0.0)]);
    }

    #[test]
    fn nothing_usable_gives_no_numbers() {
        let data = Dataset::from_reader(
            &br#"{"prompt": "a", "images": ["x"], "rank": [1]}"#[..],
            "x",
            &ReadOptions::default(),
        );
        let one = RewardScores { reward: "r".to_owned(), scores: vec![Some(vec![1.0])] };
        let comparisons = data.unwrap().comparisons;
        let run = |rewards: &[RewardScores]| {
            evaluate(&comparisons, rewards, Metric::Hpd, Resampling::default())
        };
        let result = run(&[one]).unwrap();
        assert_eq!(result.comparisons, 0);
        assert!(result.measures[0].rewards.is_empty() && result.measures[0].human.is_none());
        assert!(run(&[]).is_err());
        assert!(run(&[RewardScores { reward: "r".to_owned(), scores: Vec::new() }]).is_err());
    }
}
