//! Rewards that are loaded and ready.

mod builder;

use std::sync::Arc;

use hps_core::{
    Error, ErrorKind, Image, Prepared, PreparedPair, Prompt, Result, Reward, RewardInfo, Warning,
    rank_descending,
};
use hps_reward::Combine;
use hps_weights::digest::DigestTask;

pub use builder::ScorerBuilder;

/// One or more rewards, loaded once and used for any number of pictures.
///
/// ```no_run
/// use hps_loop::{Image, Scorer};
///
/// let scorer = Scorer::builder().reward("hps-v2.1").weights("HPS_v2.1_compressed.pt").build()?;
/// let image = Image::from_rgb8(2, 2, vec![127; 12])?;
/// println!("{}", scorer.score(&image, "a grey square")?);
/// # Ok::<(), hps_loop::Error>(())
/// ```
#[derive(Debug)]
pub struct Scorer {
    parts: Vec<Part>,
    combine: Combine,
}

/// One reward with its weight in the sum.
struct Part {
    reward: Arc<dyn Reward>,
    weight: f64,
    digests: Vec<DigestTask>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.reward.info().id, self.weight)
    }
}

/// A picture's place among others of the same prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The picture's index in the input.
    pub index: usize,
    /// Its score.
    pub score: f32,
}

impl Scorer {
    /// Starts to describe a scorer.
    pub fn builder() -> ScorerBuilder {
        ScorerBuilder::default()
    }

    /// A scorer of your own reward.
    pub fn from_reward(reward: impl Reward + 'static) -> Self {
        let part = Part { reward: Arc::new(reward), weight: 1.0, digests: Vec::new() };
        Scorer { parts: vec![part], combine: Combine::Sum }
    }

    /// The score of one picture. With several rewards it is the combined one of
    /// a group of one.
    ///
    /// # Errors
    ///
    /// When the picture cannot be scored.
    pub fn score(&self, image: &Image, prompt: impl Into<Prompt>) -> Result<f32> {
        let prompt = prompt.into();
        let scores = self.score_batch(&[(image, &prompt)]);
        scores.into_iter().next().unwrap_or_else(|| Err(too_few()))
    }

    /// One score per pair, in order. Pairs of equal prompts form a group for
    /// [`Combine`]. One bad pair leaves the others alone.
    pub fn score_batch(&self, pairs: &[(&Image, &Prompt)]) -> Vec<Result<f32>> {
        let prepared: Vec<Result<Vec<Prepared>>> =
            pairs.iter().map(|(image, _)| self.prepare(image)).collect();
        let mut rows: Vec<Result<Vec<f32>>> = prepared
            .iter()
            .map(|row| match row {
                Ok(_) => Ok(Vec::new()),
                Err(error) => Err(Error::new(error.kind(), error.full_message())),
            })
            .collect();
        for part in 0..self.parts.len() {
            let good = prepared.iter().zip(pairs).filter_map(|(row, (_, prompt))| {
                row.as_ref().ok().map(|row| PreparedPair { image: &row[part], prompt })
            });
            let mut scores = self.score_part(part, &good.collect::<Vec<_>>()).into_iter();
            for (row, _) in rows.iter_mut().zip(&prepared).filter(|(_, prepared)| prepared.is_ok())
            {
                match (scores.next().unwrap_or_else(|| Err(too_few())), row.as_mut()) {
                    (Ok(score), Ok(row)) => row.push(score),
                    (Err(error), Ok(_)) => *row = Err(error),
                    (_, Err(_)) => {}
                }
            }
        }
        let prompts: Vec<&Prompt> = pairs.iter().map(|(_, prompt)| *prompt).collect();
        self.combine(&prompts, rows)
    }

    /// Pictures of one prompt from best to worst; ties keep the order given.
    ///
    /// # Errors
    ///
    /// When any of the pictures cannot be scored.
    pub fn rank(&self, images: &[Image], prompt: impl Into<Prompt>) -> Result<Vec<Ranked>> {
        let prompt = prompt.into();
        let pairs: Vec<(&Image, &Prompt)> = images.iter().map(|image| (image, &prompt)).collect();
        let scores: Vec<f32> = self.score_batch(&pairs).into_iter().collect::<Result<_>>()?;
        let keys: Vec<Option<f32>> = scores.iter().copied().map(Some).collect();
        let ranked = |index| Ranked { index, score: scores[index] };
        Ok(rank_descending(&keys).into_iter().map(ranked).collect())
    }

    /// The rewards in order, each with its weight.
    pub fn rewards(&self) -> impl Iterator<Item = (&dyn Reward, f64)> {
        self.parts.iter().map(|part| (&*part.reward, part.weight))
    }

    /// How several rewards become one score.
    pub fn combine_method(&self) -> Combine {
        self.combine
    }

    /// Descriptions for records. With `wait`, digests that are still being
    /// computed are waited for.
    ///
    /// # Errors
    ///
    /// With `wait`, when a weights file can no longer be read.
    pub fn infos(&self, wait: bool) -> Result<Vec<RewardInfo>> {
        let info = |part: &Part| {
            let mut info = part.reward.info();
            if !part.digests.is_empty() {
                info.weights_sha256 = digests(&part.digests, wait)?;
            }
            Ok(info)
        };
        self.parts.iter().map(info).collect()
    }

    /// Whether this is one reward with weight 1, so that scores are its raw ones.
    pub fn is_single(&self) -> bool {
        matches!(&self.parts[..], [part] if part.weight == 1.0)
    }

    /// What people see is the score times this.
    pub fn display_factor(&self) -> f32 {
        match self.is_single() {
            true => self.parts[0].reward.display_factor(),
            false => 1.0,
        }
    }

    /// Remarks of all rewards about a prompt, each once.
    pub fn check_prompt(&self, prompt: &Prompt) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for warning in self.parts.iter().flat_map(|part| part.reward.check_prompt(prompt)) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings
    }

    /// The picture as each reward wants it.
    pub(crate) fn prepare(&self, image: &Image) -> Result<Vec<Prepared>> {
        self.parts.iter().map(|part| part.reward.prepare(image)).collect()
    }

    /// Raw scores by the reward at `part`.
    pub(crate) fn score_part(&self, part: usize, pairs: &[PreparedPair<'_>]) -> Vec<Result<f32>> {
        let scores = self.parts[part].reward.score_prepared(pairs);
        scores.into_iter().map(|score| score.map(|score| score.value())).collect()
    }

    /// One score per row of raw scores. Rows of equal prompts form a group; rows
    /// with an error stay out of it.
    pub fn combine(&self, prompts: &[&Prompt], rows: Vec<Result<Vec<f32>>>) -> Vec<Result<f32>> {
        if self.is_single() {
            return rows.into_iter().map(|row| row.and_then(|row| first(&row))).collect();
        }
        let mut groups: std::collections::BTreeMap<&Prompt, Vec<usize>> = Default::default();
        for (index, row) in rows.iter().enumerate() {
            if row.as_ref().is_ok_and(|row| row.len() == self.parts.len()) {
                groups.entry(prompts[index]).or_default().push(index);
            }
        }
        let mut combined: Vec<Option<f32>> = vec![None; rows.len()];
        for members in groups.values() {
            let columns: Vec<(f64, Vec<f32>)> = self
                .parts
                .iter()
                .enumerate()
                .map(|(column, part)| {
                    let value = |&row: &usize| rows[row].as_ref().map_or(0.0, |row| row[column]);
                    (part.weight, members.iter().map(value).collect())
                })
                .collect();
            let views: Vec<(f64, &[f32])> =
                columns.iter().map(|(weight, column)| (*weight, &column[..])).collect();
            for (&member, score) in members.iter().zip(self.combine.combine(&views)) {
                combined[member] = Some(score);
            }
        }
        let finish = |(row, score): (Result<Vec<f32>>, Option<f32>)| match (row, score) {
            (Err(error), _) => Err(error),
            (Ok(_), Some(score)) => Ok(score),
            (Ok(_), None) => Err(too_few()),
        };
        rows.into_iter().zip(combined).map(finish).collect()
    }
}

/// The digests of a reward's files, joined by `+` where there are several.
fn digests(tasks: &[DigestTask], wait: bool) -> Result<Option<String>> {
    let digest = |task: &DigestTask| match wait {
        true => task.wait().map(Some),
        false => task.try_get().transpose(),
    };
    let digests: Option<Vec<_>> = tasks.iter().map(digest).collect::<Result<_>>()?;
    Ok(digests.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")))
}

fn first(row: &[f32]) -> Result<f32> {
    row.first().copied().ok_or_else(too_few)
}

fn too_few() -> Error {
    Error::new(ErrorKind::Model, "the reward returned too few scores")
}
