//! Rewards that are loaded and ready.

mod builder;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hps_core::{
    Error, ErrorKind, Image, Prepared, PreparedPair, Prompt, Result, Reward, RewardInfo, Score,
    Warning, rank_descending,
};
use hps_reward::Combine;
use hps_weights::digest::{self, DigestTask};
use rayon::prelude::*;

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
    /// Rewards are promised to score from one thread at a time.
    turn: Mutex<()>,
    digests: Vec<DigestTask>,
}

impl Part {
    fn new(reward: Arc<dyn Reward>, weight: f64, digests: Vec<DigestTask>) -> Self {
        Part { reward, weight, turn: Mutex::new(()), digests }
    }
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
        Scorer { parts: vec![Part::new(Arc::new(reward), 1.0, Vec::new())], combine: Combine::Sum }
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
    /// [`Combine`]. One bad pair leaves the others alone. Pictures are prepared on
    /// all cores, and one that stands in several pairs only once.
    pub fn score_batch(&self, pairs: &[(&Image, &Prompt)]) -> Vec<Result<f32>> {
        let mut places = HashMap::new();
        let mut images: Vec<&Image> = Vec::new();
        let rows: Vec<usize> = pairs
            .iter()
            .map(|(image, _)| {
                *places.entry(image.as_rgb8().as_ptr()).or_insert_with(|| {
                    images.push(image);
                    images.len() - 1
                })
            })
            .collect();
        let prepared: Vec<Result<Vec<Prepared>>> =
            images.par_iter().map(|image| self.prepare(image)).collect();
        let prompts: Vec<&Prompt> = pairs.iter().map(|(_, prompt)| *prompt).collect();
        let items: Vec<_> = rows.iter().map(|&row| &prepared[row]).zip(prompts.clone()).collect();
        let raw = self.score_rows(&items);
        self.combine(&prompts, raw)
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

    /// The raw scores of prepared pictures: one row per item with one score per
    /// reward, or the first error.
    pub(crate) fn score_rows(
        &self,
        items: &[(&Result<Vec<Prepared>>, &Prompt)],
    ) -> Vec<Result<Vec<f32>>> {
        let copy = |error: &Error| Error::new(error.kind(), error.full_message());
        let mut rows: Vec<Result<Vec<f32>>> = items
            .iter()
            .map(|(prepared, _)| prepared.as_ref().map(|_| Vec::new()).map_err(copy))
            .collect();
        for (index, part) in self.parts.iter().enumerate() {
            let good = items.iter().filter_map(|(prepared, prompt)| {
                let image = prepared.as_ref().ok()?.get(index)?;
                Some(PreparedPair { image, prompt })
            });
            let turn = part.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut scores = part.reward.score_prepared(&good.collect::<Vec<_>>()).into_iter();
            drop(turn);
            for (row, _) in rows.iter_mut().zip(items).filter(|(_, (prepared, _))| prepared.is_ok())
            {
                match (scores.next().unwrap_or_else(|| Err(too_few())), row.as_mut()) {
                    (Ok(score), Ok(row)) => row.push(score.value()),
                    (Err(error), Ok(_)) => *row = Err(error),
                    (_, Err(_)) => {}
                }
            }
        }
        rows
    }

    /// One score per row of raw scores. Rows of equal prompts form a group; rows
    /// with an error stay out of it. A score that is not finite is an error.
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
            (Ok(_), Some(score)) => Score::new(score).map(Score::value),
            (Ok(_), None) => Err(too_few()),
        };
        rows.into_iter().zip(combined).map(finish).collect()
    }
}

/// The digest of a reward's weights. Where they are several files it is, as for a
/// folder, the digest of their digests, one a line.
fn digests(tasks: &[DigestTask], wait: bool) -> Result<Option<String>> {
    let digest = |task: &DigestTask| match wait {
        true => task.wait().map(Some),
        false => task.try_get().transpose(),
    };
    let digests: Option<Vec<_>> = tasks.iter().map(digest).collect::<Result<_>>()?;
    Ok(digests.map(|list| match &list[..] {
        [digest] => digest.to_string(),
        _ => {
            let lines: String = list.iter().map(|digest| format!("{digest}\n")).collect();
            digest::bytes(lines.as_bytes()).to_string()
        }
    }))
}

fn first(row: &[f32]) -> Result<f32> {
    row.first().copied().ok_or_else(too_few)
}

fn too_few() -> Error {
    Error::new(ErrorKind::Model, "the reward returned too few scores")
}
