//! Where agreement comes from: which models the pictures are by.

use std::collections::BTreeMap;

use serde::Serialize;

use super::evaluate::Usable;
use super::measure::{Agreement, Measure};
use crate::data::Comparison;

/// Pairs of pictures by two models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratorPair {
    /// One model; the smaller name.
    pub a: String,
    /// The other, or the same again.
    pub b: String,
    /// Pairs of pictures.
    pub pairs: usize,
    /// How often people prefer the picture by `a`; ties are half. 0.5 where `a` is `b`.
    pub people_prefer_a: f64,
    /// The same for each reward.
    pub reward_prefers_a: Vec<f64>,
    /// Pairs that people order strictly.
    pub strict_pairs: usize,
    /// Each reward's share of the strict pairs ordered as people do; `None` without
    /// such pairs.
    pub accuracy: Vec<Option<f64>>,
}

/// Pictures by one model against those by all others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratorResult {
    /// The model.
    pub generator: String,
    /// Pictures by it.
    pub images: usize,
    /// Pairs of one of its pictures with one of another model.
    pub pairs: usize,
    /// How often people prefer its picture; ties are half. `None` without pairs.
    pub people_prefer: Option<f64>,
    /// The same for each reward.
    pub reward_prefers: Vec<Option<f64>>,
    /// Those of the pairs that people order strictly.
    pub strict_pairs: usize,
    /// Each reward's share of the strict pairs ordered as people do.
    pub accuracy: Vec<Option<f64>>,
    /// Each reward's principal measure on all pictures but this model's; `None` where
    /// nothing is left to compare.
    pub without: Vec<Option<f64>>,
}

/// Counts of pairs in one cell of a table.
#[derive(Debug)]
struct Cell {
    pairs: usize,
    strict: usize,
    people: f64,
    rewards: Vec<f64>,
    correct: Vec<usize>,
}

impl Cell {
    fn new(rewards: usize) -> Self {
        Cell {
            pairs: 0,
            strict: 0,
            people: 0.0,
            rewards: vec![0.0; rewards],
            correct: vec![0; rewards],
        }
    }

    /// Adds a pair whose first picture is the row's.
    fn add(&mut self, ranks: (u32, u32), scores: &[(f32, f32)]) {
        let people = preference(ranks.1.cmp(&ranks.0));
        self.pairs += 1;
        self.people += people;
        self.strict += usize::from(people != 0.5);
        for (index, (first, second)) in scores.iter().enumerate() {
            let reward = preference(first.total_cmp(second));
            self.rewards[index] += reward;
            self.correct[index] += usize::from(people != 0.5 && reward == people);
        }
    }

    fn share(&self, sum: f64) -> Option<f64> {
        (self.pairs > 0).then(|| sum / self.pairs as f64)
    }

    fn accuracies(&self) -> Vec<Option<f64>> {
        let share =
            |&correct: &usize| (self.strict > 0).then(|| correct as f64 / self.strict as f64);
        self.correct.iter().map(share).collect()
    }
}

/// 1 for the first, 0 for the second, one half for a tie.
fn preference(first_to_second: std::cmp::Ordering) -> f64 {
    match first_to_second {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    }
}

/// A pair of pictures by known models.
struct Pair<'a> {
    models: (&'a str, &'a str),
    ranks: (u32, u32),
    scores: Vec<(f32, f32)>,
}

fn pairs<'a>(usable: &'a Usable<'_>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    let n = usable.ranks.len();
    for i in 0..n {
        for j in i + 1..n {
            let models = usable.comparison.generator(i).zip(usable.comparison.generator(j));
            let Some(models) = models else { continue };
            let scores = usable.scores.iter().map(|scores| (scores[i], scores[j])).collect();
            pairs.push(Pair { models, ranks: (usable.ranks[i], usable.ranks[j]), scores });
        }
    }
    pairs
}

/// The table of model pairs, by name.
pub(super) fn by_pair(usable: &[Usable<'_>], rewards: usize) -> Vec<GeneratorPair> {
    let mut cells: BTreeMap<(&str, &str), Cell> = BTreeMap::new();
    for pair in usable.iter().flat_map(pairs) {
        let (first, second) = pair.models;
        let cell = cells
            .entry((first.min(second), first.max(second)))
            .or_insert_with(|| Cell::new(rewards));
        if first <= second {
            cell.add(pair.ranks, &pair.scores);
        } else {
            let scores: Vec<_> = pair.scores.iter().map(|(a, b)| (*b, *a)).collect();
            cell.add((pair.ranks.1, pair.ranks.0), &scores);
        }
    }
    let row = |((a, b), cell): ((&str, &str), Cell)| {
        let share = |sum: f64| if a == b { 0.5 } else { cell.share(sum).unwrap_or(0.5) };
        GeneratorPair {
            a: a.to_owned(),
            b: b.to_owned(),
            pairs: cell.pairs,
            people_prefer_a: share(cell.people),
            reward_prefers_a: cell.rewards.iter().map(|&sum| share(sum)).collect(),
            strict_pairs: cell.strict,
            accuracy: cell.accuracies(),
        }
    };
    cells.into_iter().map(row).collect()
}

/// The table of models, by name, with the measure on what is left without each.
pub(super) fn by_generator(
    usable: &[Usable<'_>],
    rewards: usize,
    measure: Measure,
) -> Vec<GeneratorResult> {
    let mut images: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cells: BTreeMap<&str, Cell> = BTreeMap::new();
    for item in usable {
        for index in 0..item.ranks.len() {
            if let Some(generator) = item.comparison.generator(index) {
                *images.entry(generator).or_default() += 1;
            }
        }
        for pair in pairs(item).iter().filter(|pair| pair.models.0 != pair.models.1) {
            let swapped: Vec<_> = pair.scores.iter().map(|(a, b)| (*b, *a)).collect();
            let ranks = (pair.ranks.1, pair.ranks.0);
            let new = || Cell::new(rewards);
            cells.entry(pair.models.0).or_insert_with(new).add(pair.ranks, &pair.scores);
            cells.entry(pair.models.1).or_insert_with(new).add(ranks, &swapped);
        }
    }
    let row = |(generator, images): (&str, usize)| {
        let none = Cell::new(rewards);
        let cell = cells.get(generator).unwrap_or(&none);
        GeneratorResult {
            generator: generator.to_owned(),
            images,
            pairs: cell.pairs,
            people_prefer: cell.share(cell.people),
            reward_prefers: cell.rewards.iter().map(|&sum| cell.share(sum)).collect(),
            strict_pairs: cell.strict,
            accuracy: cell.accuracies(),
            without: (0..rewards)
                .map(|reward| without(usable, reward, generator, measure))
                .collect(),
        }
    };
    images.into_iter().map(row).collect()
}

/// A reward's measure on all pictures but those of one model.
fn without(usable: &[Usable<'_>], reward: usize, generator: &str, measure: Measure) -> Option<f64> {
    let mut sum = Agreement::default();
    for item in usable {
        let others = |&index: &usize| others_than(item.comparison, index, generator);
        let keep: Vec<usize> = (0..item.ranks.len()).filter(others).collect();
        let scores: Vec<f32> = keep.iter().map(|&index| item.scores[reward][index]).collect();
        let ranks: Vec<u32> = keep.iter().map(|&index| item.ranks[index]).collect();
        if let Some(agreement) = measure.agreement(&scores, &ranks) {
            sum.correct += agreement.correct;
            sum.total += agreement.total;
        }
    }
    (sum.total > 0.0).then(|| sum.correct / sum.total)
}

fn others_than(comparison: &Comparison, index: usize, generator: &str) -> bool {
    comparison.generator(index) != Some(generator)
}
