//! How pictures are judged.

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Image, Precision, Prompt, Result, Score, Warning};

/// A picture and the prompt it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The picture.
    pub image: &'a Image,
    /// The prompt.
    pub prompt: &'a Prompt,
}

/// A picture as one reward wants it (resized, normalised): opaque to everybody else.
///
/// Made by [`Reward::prepare`], on any thread, and understood only by the reward
/// that made it.
pub struct Prepared(Box<dyn Any + Send + Sync>);

impl Prepared {
    /// Wraps a reward's own type.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Prepared(Box::new(value))
    }

    /// The reward's own type back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Model`] when another reward prepared the picture.
    pub fn downcast_ref<T: Any>(&self) -> Result<&T> {
        self.0.downcast_ref().ok_or_else(|| {
            Error::new(ErrorKind::Model, "the picture was prepared by a different reward")
        })
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared(..)")
    }
}

/// A prepared picture and the prompt it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct PreparedPair<'a> {
    /// The picture, prepared by the same reward.
    pub image: &'a Prepared,
    /// The prompt.
    pub prompt: &'a Prompt,
}

/// What must be known about a reward to read its scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardInfo {
    /// The reward's id, such as `hps-v2.1`.
    pub id: String,
    /// SHA-256 of the weights file, in hexadecimal, once known.
    pub weights_sha256: Option<String>,
    /// The resize policy or processor: `antialias`, `no-antialias`, `clip`.
    pub preprocess: String,
    /// The arithmetic.
    pub precision: Precision,
    /// The compute kernel, such as `gemm-avx512`.
    pub kernel: String,
}

/// A judge of pictures.
///
/// # What callers may rely on
///
/// * [`score_prepared`](Reward::score_prepared) returns exactly one result per
///   pair, in order. One bad pair never spoils another.
/// * Higher is better. A score depends on its pair alone, never on the other
///   pairs of the batch; on the CPU this holds to the last bit.
/// * Every score is finite: anything else is an error.
///
/// # What implementers must do
///
/// `prepare` runs on many threads at once and should do all work that concerns
/// one picture alone. `score_prepared` is called from one thread at a time.
pub trait Reward: Send + Sync {
    /// The description that belongs into every record.
    fn info(&self) -> RewardInfo;

    /// What people see is the score times this: 100 for cosines, which are small.
    /// Records always hold the raw score.
    fn display_factor(&self) -> f32 {
        1.0
    }

    /// Resizes, normalises and whatever else concerns one picture alone.
    ///
    /// # Errors
    ///
    /// When this picture cannot be judged.
    fn prepare(&self, image: &Image) -> Result<Prepared>;

    /// Scores each prepared picture by its prompt. Prompts may repeat; their
    /// embeddings are worth caching.
    fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>>;

    /// Remarks about a prompt as this reward reads it.
    fn check_prompt(&self, _prompt: &Prompt) -> Vec<Warning> {
        Vec::new()
    }

    /// Prepares and scores each pair.
    fn score(&self, batch: &[Pair<'_>]) -> Vec<Result<Score>> {
        let prepared: Vec<Result<Prepared>> =
            batch.iter().map(|pair| self.prepare(pair.image)).collect();
        let pairs: Vec<PreparedPair<'_>> = prepared
            .iter()
            .zip(batch)
            .filter_map(|(image, pair)| {
                image.as_ref().ok().map(|image| PreparedPair { image, prompt: pair.prompt })
            })
            .collect();
        let mut scores = self.score_prepared(&pairs).into_iter();
        drop(pairs);
        prepared
            .into_iter()
            .map(|image| match image {
                Err(error) => Err(error),
                Ok(_) => scores.next().unwrap_or_else(|| {
                    Err(Error::new(ErrorKind::Model, "the reward returned too few scores"))
                }),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores by mean brightness and refuses one-pixel pictures.
    struct Brightness;

    impl Reward for Brightness {
        fn info(&self) -> RewardInfo {
            RewardInfo {
                id: "brightness".into(),
                weights_sha256: None,
                preprocess: "none".into(),
                precision: Precision::F32,
                kernel: "host".into(),
            }
        }

        fn prepare(&self, image: &Image) -> Result<Prepared> {
            if image.width() == 1 {
                return Err(Error::new(ErrorKind::InvalidInput, "too small"));
            }
            let sum: f32 = image.as_rgb8().iter().map(|&v| f32::from(v)).sum();
            Ok(Prepared::new(sum / image.as_rgb8().len() as f32))
        }

        fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
            batch.iter().map(|pair| Score::new(*pair.image.downcast_ref::<f32>()?)).collect()
        }
    }

    #[test]
    fn one_bad_picture_leaves_the_others_alone() {
        let prompt = Prompt::from("x");
        let images = [
            Image::from_rgb8(2, 1, vec![10; 6]).expect("valid"),
            Image::from_rgb8(1, 1, vec![10; 3]).expect("valid"),
            Image::from_rgb8(2, 1, vec![30; 6]).expect("valid"),
        ];
        let pairs: Vec<_> = images.iter().map(|image| Pair { image, prompt: &prompt }).collect();
        let scores = Brightness.score(&pairs);
        assert_eq!(scores[0].as_ref().map(|s| s.value()).ok(), Some(10.0));
        assert_eq!(scores[1].as_ref().err().map(Error::message), Some("too small"));
        assert_eq!(scores[2].as_ref().map(|s| s.value()).ok(), Some(30.0));
    }

    #[test]
    fn prepared_pictures_know_their_type() {
        let prepared = Prepared::new(1u8);
        assert!(prepared.downcast_ref::<u8>().is_ok());
        assert!(prepared.downcast_ref::<u16>().is_err());
    }
}
