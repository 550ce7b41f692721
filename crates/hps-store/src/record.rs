//! The lines of `candidates.jsonl`.

use hps_core::{Candidate, Error, ErrorKind, SampleSpec, Warning};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What became of one candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// It was drawn and scored.
    Drawn(Drawn),
    /// It could not be drawn or scored.
    Failed(Failed),
}

/// A candidate that was drawn and scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Its place, from 1, once the prompt is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Its picture, relative to the prompt's folder with `/` between names;
    /// `None` (`null` in JSON) if the picture was not kept.
    pub image: Option<String>,
    /// How it was drawn, what it scored and what it cost.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// Remarks of the reward about the prompt or the picture.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// A candidate that could not be drawn or scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// Why.
    pub error: ErrorRecord,
    /// How it was to be drawn.
    #[serde(flatten)]
    pub spec: SampleSpec,
}

/// An error as it is written to records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The category.
    pub kind: ErrorKind,
    /// What failed, with its causes.
    pub message: String,
}

impl From<&Error> for ErrorRecord {
    fn from(error: &Error) -> Self {
        ErrorRecord { kind: error.kind(), message: error.full_message() }
    }
}

impl Record {
    /// How the candidate is drawn.
    pub fn spec(&self) -> &SampleSpec {
        match self {
            Record::Drawn(drawn) => &drawn.candidate.spec,
            Record::Failed(failed) => &failed.spec,
        }
    }
}

/// Told apart by the key `error`, so that a damaged line is reported with the key
/// that is wrong.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let record = if value.get("error").is_some() {
            serde_json::from_value(value).map(Record::Failed)
        } else {
            serde_json::from_value(value).map(Record::Drawn)
        };
        record.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_core::{Prompt, Score, Seed, WarningKind};
    use proptest::prelude::*;

    use super::*;

    fn spec(prompt: &str, seed: u64, guidance_scale: f32) -> SampleSpec {
        SampleSpec {
            prompt: Prompt::from(prompt),
            negative_prompt: None,
            seed: Seed(seed),
            candidate: 7,
            width: 64,
            height: 64,
            num_inference_steps: 4,
            guidance_scale,
            scheduler: "ddim".into(),
            eta: 0.0,
        }
    }

    fn drawn(spec: SampleSpec, score: f32) -> Drawn {
        Drawn {
            rank: None,
            image: Some(".candidates/0007.png".into()),
            candidate: Candidate {
                spec,
                score: Score::new(score).unwrap(),
                scores: Default::default(),
                nfe: 8,
            },
            warnings: vec![Warning::new(WarningKind::EmptyPrompt, "the prompt is empty")],
        }
    }

    #[test]
    fn the_lines_are_flat() {
        let mut drawn = drawn(spec("x", 3, 1.0), 0.25);
        let text = serde_json::to_string(&Record::Drawn(drawn.clone())).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["candidate"], &value["score"]), (&7.into(), &0.25.into()));
        assert_eq!((&value["prompt"], &value["nfe"]), (&"x".into(), &8.into()));
        assert_eq!(value["warnings"][0]["kind"], "empty_prompt");
        assert!(value.get("rank").is_none());
        drawn.image = None;
        let text = serde_json::to_string(&Record::Drawn(drawn)).unwrap();
        assert!(text.contains("\"image\":null"), "{text}");

        let error = Error::new(ErrorKind::Model, "it broke");
        let failed = Failed { error: (&error).into(), spec: spec("x", 3, 1.0) };
        let text = serde_json::to_string(&Record::Failed(failed)).unwrap();
        assert!(text.contains(r#""error":{"kind":"model","message":"it broke"}"#), "{text}");
        assert!(text.contains("\"candidate\":7") && !text.contains("\"image\""), "{text}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = serde_json::from_str::<Record>(r#"{"image":null}"#).unwrap_err();
        assert!(error.to_string().contains("missing field `score`"), "{error}");
    }

    proptest! {
        #[test]
        fn records_come_back_to_the_last_bit(
            prompt: String,
            seed: u64,
            score in prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
            guidance in prop::num::f32::NORMAL,
        ) {
            let record = Record::Drawn(drawn(spec(&prompt, seed, guidance), score));
            let line = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        }
    }
}
