//! Machine-readable scores. Scores are raw and parse back to the same `f32`.

use std::collections::BTreeMap;
use std::io::Write;

use hps_loop::{Error, ErrorKind, RewardInfo, Scorer, Warning};
use serde::Serialize;

/// What the scores were made with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RewardRecord {
    /// A single reward.
    Single(RewardInfo),
    /// Several rewards as one.
    Combined {
        /// The specification, such as `hps-v2.1=1,pickscore=0.5`.
        id: String,
        /// The method.
        combine: String,
        /// Each reward.
        parts: Vec<PartRecord>,
    },
}

/// One of several rewards.
#[derive(Debug, Serialize)]
pub struct PartRecord {
    weight: f64,
    #[serde(flatten)]
    info: RewardInfo,
}

impl RewardRecord {
    /// Describes a scorer, waiting for digests.
    ///
    /// # Errors
    ///
    /// When a weights file can no longer be read.
    pub fn of(scorer: &Scorer) -> hps_loop::Result<Self> {
        let mut infos = scorer.infos(true)?;
        if infos.len() == 1 && scorer.is_single() {
            return Ok(RewardRecord::Single(infos.remove(0)));
        }
        let weights = scorer.rewards().map(|(_, weight)| weight);
        let parts: Vec<PartRecord> = infos
            .into_iter()
            .zip(weights)
            .map(|(info, weight)| PartRecord { weight, info })
            .collect();
        let id = parts.iter().map(|part| format!("{}={}", part.info.id, part.weight));
        Ok(RewardRecord::Combined {
            id: id.collect::<Vec<_>>().join(","),
            combine: scorer.combine_method().to_string(),
            parts,
        })
    }
}

/// The score of one picture.
#[derive(Clone, Debug, Serialize)]
pub struct Values {
    /// The score: raw, or combined.
    pub score: f32,
    /// The raw scores by reward, where there are several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, f32>,
}

impl Values {
    /// A score and the raw ones it was made of: `raw` by `ids`.
    pub fn new(score: f32, ids: &[String], raw: &[f32]) -> Self {
        let scores = match ids.len() {
            0 | 1 => BTreeMap::new(),
            _ => ids.iter().cloned().zip(raw.iter().copied()).collect(),
        };
        Values { score, scores }
    }
}

/// One result.
#[derive(Debug, Serialize)]
pub struct ScoreRecord {
    /// The file as it was named.
    pub image: String,
    /// The prompt; `None` for an input that was not understood.
    pub prompt: Option<String>,
    /// The score, or why there is none.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A score or an error.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It was scored.
    Scored {
        /// The numbers.
        #[serde(flatten)]
        values: Values,
        /// Remarks.
        warnings: Vec<Warning>,
    },
    /// It was not.
    Failed {
        /// Why.
        error: ErrorRecord,
    },
}

/// An error as it is written to records.
#[derive(Debug, Serialize)]
pub struct ErrorRecord {
    /// The category.
    pub kind: ErrorKind,
    /// What failed, with its causes.
    pub message: String,
}

impl ScoreRecord {
    /// A result.
    pub fn new(
        image: String,
        prompt: Option<String>,
        values: Result<Values, Error>,
        warnings: Vec<Warning>,
    ) -> Self {
        let outcome = match values {
            Ok(values) => Outcome::Scored { values, warnings },
            Err(error) => Outcome::Failed {
                error: ErrorRecord { kind: error.kind(), message: error.full_message() },
            },
        };
        ScoreRecord { image, prompt, outcome }
    }

    /// The score, if there is one.
    pub fn score(&self) -> Option<f32> {
        match &self.outcome {
            Outcome::Scored { values, .. } => Some(values.score),
            Outcome::Failed { .. } => None,
        }
    }

    /// The error message, if there is one.
    pub fn error(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Scored { .. } => None,
            Outcome::Failed { error } => Some(&error.message),
        }
    }

    /// Remarks, if it was scored.
    pub fn warnings(&self) -> &[Warning] {
        match &self.outcome {
            Outcome::Scored { warnings, .. } => warnings,
            Outcome::Failed { .. } => &[],
        }
    }
}

/// The one object of `--format json`.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_json(
    out: &mut dyn Write,
    reward: &RewardRecord,
    results: &[&ScoreRecord],
    interrupted: bool,
) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        reward: &'a RewardRecord,
        results: &'a [&'a ScoreRecord],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        interrupted: bool,
    }
    serde_json::to_writer_pretty(&mut *out, &Document { reward, results, interrupted })?;
    writeln!(out)?;
    Ok(())
}

/// One line of `--format jsonl`.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_jsonl_line(out: &mut dyn Write, record: &ScoreRecord) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(())
}

/// `--format csv`: `image,prompt,score,<reward>…,error`.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_csv(
    out: &mut dyn Write,
    rewards: &[String],
    results: &[&ScoreRecord],
) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let parts: &[String] = if rewards.len() > 1 { rewards } else { &[] };
    let header = ["image", "prompt", "score"].into_iter();
    csv.write_record(header.chain(parts.iter().map(String::as_str)).chain(["error"]))?;
    for record in results {
        let mut row = vec![record.image.clone(), record.prompt.clone().unwrap_or_default()];
        match &record.outcome {
            Outcome::Scored { values, .. } => {
                row.push(values.score.to_string());
                let part =
                    |id: &String| values.scores.get(id).map_or(String::new(), f32::to_string);
                row.extend(parts.iter().map(part));
                row.push(String::new());
            }
            Outcome::Failed { error } => {
                row.extend(std::iter::repeat_n(String::new(), 1 + parts.len()));
                row.push(error.message.clone());
            }
        }
        csv.write_record(row)?;
    }
    csv.flush()?;
    Ok(())
}
