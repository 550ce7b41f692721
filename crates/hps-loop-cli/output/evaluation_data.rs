//! What `eval` writes for programs: shares from 0 to 1.

use std::io::Write;
use std::path::Path;

use hps_loop::RewardInfo;
use hps_loop::data::{BrokenItem, Dataset, Format};
use hps_loop::eval::{DatasetScores, Estimate, Evaluation};
use serde::Serialize;

use super::score_json::ErrorRecord;

/// The one object of `--format json`.
#[derive(Debug, Serialize)]
pub struct EvalRecord<'a> {
    file: String,
    format: Format,
    items: usize,
    broken: &'a [BrokenItem],
    /// What the scores were made with.
    rewards: Vec<&'a RewardInfo>,
    failures: Vec<FailureRecord<'a>>,
    evaluation: &'a Evaluation,
}

/// A picture that a reward could not score.
#[derive(Debug, Serialize)]
struct FailureRecord<'a> {
    reward: &'a str,
    image: &'a str,
    error: ErrorRecord,
}

impl<'a> EvalRecord<'a> {
    /// Everything about an evaluation of `file`.
    pub fn new(
        file: &Path,
        data: &'a Dataset,
        scores: &'a [DatasetScores],
        evaluation: &'a Evaluation,
    ) -> Self {
        let failures = scores.iter().flat_map(|scores| {
            scores.failures.iter().map(|failure| FailureRecord {
                reward: &scores.info.id,
                image: &failure.image,
                error: ErrorRecord {
                    kind: failure.error.kind(),
                    message: failure.error.full_message(),
                },
            })
        });
        EvalRecord {
            file: file.display().to_string(),
            format: data.format,
            items: data.items,
            broken: &data.broken,
            rewards: scores.iter().map(|scores| &scores.info).collect(),
            failures: failures.collect(),
            evaluation,
        }
    }
}

/// One number with all that says what it is.
#[derive(Clone, Debug, Default, Serialize)]
struct Row<'a> {
    table: &'a str,
    quantity: &'a str,
    reward: &'a str,
    minus: &'a str,
    generator_a: &'a str,
    generator_b: &'a str,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    p_value: Option<f64>,
    count: Option<usize>,
}

impl<'a> Row<'a> {
    fn with(self, estimate: &Estimate) -> Self {
        Row { value: Some(estimate.value), low: estimate.low, high: estimate.high, ..self }
    }
}

/// `--format csv`: one number a line. `count` is the number of comparisons, or of
/// pairs by generators, that it is about.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_evaluation_csv(out: &mut dyn Write, evaluation: &Evaluation) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    for row in measures(evaluation).chain(generators(evaluation)).chain(pairs(evaluation)) {
        csv.serialize(row)?;
    }
    csv.flush()?;
    Ok(())
}

fn measures(evaluation: &Evaluation) -> impl Iterator<Item = Row<'_>> {
    evaluation.measures.iter().flat_map(|result| {
        let quantity = result.measure.id();
        let count = Some(result.comparisons);
        let rewards = evaluation.rewards.iter().zip(&result.rewards);
        let accuracy = rewards.map(move |(reward, estimate)| {
            Row { table: "accuracy", quantity, reward, count, ..Row::default() }.with(estimate)
        });
        let human = result.human.iter().map(move |estimate| {
            let count = Some(result.human_comparisons);
            Row { table: "one_person", quantity, count, ..Row::default() }.with(estimate)
        });
        let differences = result.differences.iter().map(move |difference| {
            let (reward, minus) = (&difference.reward, &difference.minus);
            let p_value = difference.p_value;
            let row =
                Row { table: "difference", quantity, reward, minus, p_value, ..Row::default() };
            Row { count, ..row.with(&difference.difference) }
        });
        accuracy.chain(human).chain(differences)
    })
}

fn generators(evaluation: &Evaluation) -> impl Iterator<Item = Row<'_>> {
    evaluation.generators.iter().flat_map(|row| {
        let of = Row { table: "generator", generator_a: &row.generator, ..Row::default() };
        let of = Row { count: Some(row.pairs), ..of };
        let people = Row { quantity: "people_prefer", value: row.people_prefer, ..of.clone() };
        let rewards = evaluation.rewards.iter().enumerate().flat_map(move |(index, reward)| {
            let columns = [
                ("reward_prefers", &row.reward_prefers, Some(row.pairs)),
                ("accuracy", &row.accuracy, Some(row.strict_pairs)),
                ("without", &row.without, None),
            ];
            let of = of.clone();
            columns.map(move |(quantity, column, count)| {
                let value = column.get(index).copied().flatten();
                Row { quantity, reward, value, count, ..of.clone() }
            })
        });
        std::iter::once(people).chain(rewards)
    })
}

fn pairs(evaluation: &Evaluation) -> impl Iterator<Item = Row<'_>> {
    evaluation.generator_pairs.iter().flat_map(|row| {
        let of = Row { table: "generator_pair", generator_a: &row.a, ..Row::default() };
        let of = Row { generator_b: &row.b, count: Some(row.pairs), ..of };
        let value = Some(row.people_prefer_a);
        let people = Row { quantity: "people_prefer_a", value, ..of.clone() };
        let rewards = evaluation.rewards.iter().enumerate().flat_map(move |(index, reward)| {
            let prefers = row.reward_prefers_a.get(index).copied();
            let accuracy = row.accuracy.get(index).copied().flatten();
            let of = of.clone();
            [("reward_prefers_a", prefers, row.pairs), ("accuracy", accuracy, row.strict_pairs)]
                .map(move |(quantity, value, count)| Row {
                    quantity,
                    reward,
                    value,
                    count: Some(count),
                    ..of.clone()
                })
        });
        std::iter::once(people).chain(rewards)
    })
}
